import Foundation
import Synchronization

/// Makes pair caches.
public struct CacheWriter: Sendable {
  private let location: CacheLocation
  private let preparation: Preparation
  private let workers: Int
  private let isStopped: @Sendable () -> Bool

  /// - Parameters:
  ///   - workers: threads.
  ///   - isStopped: asked before each pair; where it is true the work ends with `.stopped`.
  public init(
    _ location: CacheLocation, _ preparation: Preparation, workers: Int, isStopped: @escaping @Sendable () -> Bool
  ) {
    (self.location, self.preparation, self.workers, self.isStopped) = (location, preparation, workers, isStopped)
  }

  /// Makes the cache of `dataset`, or, where another process has done so meanwhile, opens it. Photographs that cannot be used are
  /// left out. What a former cache holds is taken from there.
  ///
  /// - Parameters:
  ///   - say: hears a line for people.
  ///   - progress: hears how many pairs are done, from one thread at a time.
  public func cache(
    of dataset: Dataset, say: (String) -> Void, progress: @escaping @Sendable (Int) -> Void
  ) throws -> PairCache {
    let folder = try CacheFolder(location) { say("waiting for another process that makes \(location.folder)") }
    defer { folder.close() }
    let former = PairCache.find(location, preparation, for: dataset) { _ in }
    if let former, former.missing == nil { return former }
    let file = try PairFile("\(folder.temporary)/pairs.bin", name: "\(location.folder)/pairs.bin")
    let pairBytes = CacheHeader.pairBytes(preparation)
    try file.reserve(dataset.patients.count * pairBytes)
    let rows = try images(of: dataset, former, into: file, progress)
    guard !rows.isEmpty else {
      throw Failure(.data, "\(dataset.annotations): none of the photographs can be used")
    }
    try file.finish()
    let index = Data(([CachedImage.header] + rows.map(\.cells)).map(CSV.line).joined().utf8)
    let header = try CacheHeader(preparation, pairs: dataset.patients.count, index: index).encoded()
    for (name, data) in [("index.csv", index), ("header.json", header)] {
      let file = try NewFile("\(folder.temporary)/\(name)")
      try file.write(data)
      try file.finish()
    }
    try folder.publish()
    return try PairCache(location, preparation, for: dataset)
  }

  private struct Work {
    var next = 0
    var done = 0
    var rows: [Int: [CachedImage]] = [:]
    var failure: Failure?
  }

  /// Prepares all pairs on several threads; the rows of the index in order.
  private func images(
    of dataset: Dataset, _ former: PairCache?, into file: PairFile, _ progress: @escaping @Sendable (Int) -> Void
  ) throws -> [CachedImage] {
    let work = Mutex(Work())
    DispatchQueue.concurrentPerform(iterations: max(1, workers)) { _ in
      while true {
        let place: Int? = work.withLock { work in
          if isStopped() { work.failure = work.failure ?? Failure(.stopped, "stopped by a signal") }
          guard work.failure == nil, work.next < dataset.patients.count else { return nil }
          work.next += 1
          return work.next - 1
        }
        guard let place else { return }
        let result = Result { try pair(place, dataset, former, into: file) }
        work.withLock { work in
          switch result {
          case .success(let rows): work.rows[place] = rows
          case .failure(let error): work.failure = work.failure ?? error as? Failure ?? Failure(.run, "\(error)")
          }
          work.done += 1
          progress(work.done)
        }
      }
    }
    return try work.withLock { work in
      if let failure = work.failure { throw failure }
      return work.rows.sorted { $0.key < $1.key }.flatMap(\.value)
    }
  }

  /// Prepares one pair and writes it; no rows where a photograph cannot be used.
  private func pair(_ place: Int, _ dataset: Dataset, _ former: PairCache?, into file: PairFile) throws -> [CachedImage]
  {
    let patient = dataset.patients[place]
    let wanted = CachedImage.Wanted(patient, dataset)
    let known = try? former?.pair(patient)
    let origin = former?.hashes(patient)
    let odd = former?.warnings(patient)
    var rows: [CachedImage] = []
    for (side, path) in [patient.left, patient.right].enumerated() {
      guard let stamp = SourceStamp(path: path) else { return [] }
      let offset = place * CacheHeader.pairBytes(preparation) + side * preparation.byteCount
      func add(_ pixels: [UInt8], source: UInt64, warning: String) throws {
        let hash = try pixels.withUnsafeBytes { bytes in
          try file.write(bytes, at: offset)
          return XXH64.hash(bytes)
        }
        rows.append(
          CachedImage(
            id: patient.id, side: side == 0 ? "left" : "right", pair: place, labels: wanted.labels,
            eyeLabels: wanted.eyeLabels[side], file: wanted.files[side], stamp: stamp, source: source,
            pixels: hash, warning: warning))
      }
      if let known, let origin, let odd {
        try add(known[side], source: origin[side].source, warning: odd[side])
        continue
      }
      let encoded: EncodedPhotograph
      let (pixels, warning): ([UInt8], String?)
      do {
        encoded = try EncodedPhotograph(path: path)
        (pixels, warning) = try preparation.load(encoded)
      } catch is Failure { return [] }
      if let warning { dataset.warnings.add(path, warning) }
      try add(pixels, source: encoded.checksum, warning: warning ?? "")
    }
    return rows
  }
}

/// `pairs.bin` while it is written, by several threads at different places.
private final class PairFile: Sendable {
  private let descriptor: Int32
  private let name: String

  init(_ path: String, name: String) throws {
    self.name = name
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Failure.system("create", name, kind: .output) }
  }

  deinit { close(descriptor) }

  /// Takes the disk's room for `count` bytes, so that a disk too small is noticed at once.
  func reserve(_ count: Int) throws {
    let code = posix_fallocate(descriptor, 0, off_t(count))
    if code == ENOSPC || code == EDQUOT || code == EFBIG { throw Failure.system("write", name, errno: code) }
    guard ftruncate(descriptor, off_t(count)) == 0 else { throw Failure.system("write", name) }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Failure.system("write", name, errno: count == 0 ? ENOSPC : errno) }
      done += count
    }
  }

  func finish() throws {
    guard fsync(descriptor) == 0 else { throw Failure.system("sync", name) }
  }
}
