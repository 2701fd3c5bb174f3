import CAffinity
import Foundation

/// What of this machine a process may use: processors and memory, as affinity masks and control groups limit them.
public enum Machine {
  /// The processors (hardware threads) this process may run on, ascending: its affinity mask, which cpusets narrow.
  public static var processors: [Int] {
    var processors = [Int32](repeating: 0, count: Int(DMS_PROCESSORS))
    let count = dms_affinity(&processors)
    guard count > 0 else { return Array(0..<ProcessInfo.processInfo.processorCount) }
    return processors.prefix(Int(count)).map(Int.init)
  }

  /// What tells this machine from others, the same for all containers on it, whatever their host names; nil where the kernel does not say.
  public static var identity: String? { text("/proc/sys/kernel/random/boot_id") }

  /// `processors` by the core they belong to; cores of one package stand together, in their own order.
  public static var cores: [[Int]] {
    struct Core { let package, first: Int; let processors: [Int] }
    let groups = Dictionary(grouping: processors) { processor in
      text("/sys/devices/system/cpu/cpu\(processor)/topology/thread_siblings_list") ?? "\(processor)"
    }
    return groups.values.map { group in
      let package = text("/sys/devices/system/cpu/cpu\(group[0])/topology/physical_package_id").flatMap { Int($0) } ?? 0
      return Core(package: package, first: group[0], processors: group)
    }
    .sorted { ($0.package, $0.first) < ($1.package, $1.first) }.map(\.processors)
  }

  /// The package (socket) of a processor.
  public static func package(of processor: Int) -> Int {
    text("/sys/devices/system/cpu/cpu\(processor)/topology/physical_package_id").flatMap { Int($0) } ?? 0
  }

  /// How many processors' worth of time control groups leave; nil where they set no limit.
  public static var processorQuota: Double? {
    let folders = controlGroups("cpu")
    let limits = folders.compactMap { folder -> Double? in
      if let parts = text("\(folder)/cpu.max")?.split(separator: " "), parts.count == 2,
        let quota = Double(parts[0]), let period = Double(parts[1])
      {
        return quota / period
      }
      guard let quota = text("\(folder)/cpu.cfs_quota_us").flatMap({ Double($0) }), quota > 0,
        let period = text("\(folder)/cpu.cfs_period_us").flatMap({ Double($0) })
      else { return nil }
      return quota / period
    }
    return limits.min()
  }

  /// How many threads run at once: processors allowed, or fewer where a quota says so; at least 1.
  public static var usableProcessors: Int {
    max(1, min(processors.count, processorQuota.map { Int($0.rounded(.up)) } ?? .max))
  }

  /// Memory in MiB: all there is, what is available of it, and the limit of control groups with what they hold already.
  public static var memory: (total: Int, available: Int, limit: Int?, used: Int) {
    let lines = (text("/proc/meminfo") ?? "").split(separator: "\n")
    func value(_ name: String) -> Int {
      lines.first { $0.hasPrefix(name) }?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 / 1024 }
        ?? 0
    }
    let total = value("MemTotal:")
    func mebibytes(_ path: String) -> Int? { text(path).flatMap { Int($0) }.map { $0 / 1_048_576 } }
    let limits = controlGroups("memory").compactMap { folder -> (limit: Int, used: Int)? in
      let limit = mebibytes("\(folder)/memory.max") ?? mebibytes("\(folder)/memory.limit_in_bytes")
      let used = mebibytes("\(folder)/memory.current") ?? mebibytes("\(folder)/memory.usage_in_bytes")
      // Version 1 writes an absurdly large number where there is no limit.
      return limit.flatMap { $0 < total ? ($0, used ?? 0) : nil }
    }
    let tightest = limits.min { $0.limit - $0.used < $1.limit - $1.used }
    return (total, value("MemAvailable:"), tightest?.limit, tightest?.used ?? 0)
  }

  /// The folders of the control groups that this process is in, innermost first: a limit of any of them holds.
  private static func controlGroups(_ controller: String) -> [String] {
    (text("/proc/self/cgroup") ?? "").split(separator: "\n").flatMap { line -> [String] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let controllers = parts[1].split(separator: ",")
      guard parts[1].isEmpty || controllers.contains(Substring(controller)) else { return [] }
      let root = parts[1].isEmpty ? "/sys/fs/cgroup" : "/sys/fs/cgroup/\(parts[1])"
      var (path, folders) = (String(parts[2]), [String]())
      while path.count > 1 {
        folders.append(root + path)
        path = URL(fileURLWithPath: path).deletingLastPathComponent().path
      }
      // A container sees its own group as the root.
      return folders + [root]
    }
  }

  /// IPv4 addresses by interface: `docker0` -> `172.17.0.1`.
  public static var addresses: [String: String] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [:] }
    defer { freeifaddrs(list) }
    var (result, entry) = ([String: String](), list)
    while let current = entry?.pointee {
      defer { entry = current.ifa_next }
      guard let address = current.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET) else { continue }
      var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      let size = socklen_t(MemoryLayout<sockaddr_in>.size)
      guard getnameinfo(address, size, &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0 else { continue }
      let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      result[String(cString: current.ifa_name)] = String(decoding: bytes, as: UTF8.self)
    }
    return result
  }

  private static func text(_ path: String) -> String? {
    (try? String(contentsOfFile: path, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
