import Foundation
import Synchronization
import Tensors

/// What is done about photographs that cannot be used.
public enum BadImageRule: String, Codable, Sendable, CaseIterable {
  /// The command ends before it begins.
  case stop
  /// Their patients are left out.
  case skip
}

/// A photograph that cannot be used.
public struct BadPhotograph: Sendable, Equatable, Codable {
  /// The patient's place in the data set.
  public let patient: Int
  /// Whether it is of the left eye.
  public let isLeft: Bool
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let reason: String
  /// The exit code of a failure for this reason.
  private let code: Int32

  /// The class of a failure for this reason.
  public var kind: Failure.Kind { Failure.Kind(rawValue: code) ?? .data }

  init(patient: Int, isLeft: Bool, path: String, _ failure: Failure) {
    (self.patient, self.isLeft, self.path, code) = (patient, isLeft, path, failure.kind.rawValue)
    let place = "\(path): "
    reason = failure.message.hasPrefix(place) ? String(failure.message.dropFirst(place.count)) : failure.message
  }

  /// A line about this file.
  public var line: String { "\(path): \(reason)" }

  /// As many files have room in one line.
  public static let mostNamed = 3

  /// The failure of a command that cannot do without the photographs `bad`, which are not none. It names `mostNamed` of them.
  public static func failure(_ bad: [BadPhotograph]) -> Failure {
    let kinds = Set(bad.map(\.kind))
    let kind = kinds.count == 1 ? kinds.first ?? .data : .data
    var seen: Set<String> = []
    let files = bad.filter { seen.insert($0.path).inserted }
    if files.count == 1 { return Failure(kind, files[0].line) }
    return Failure(
      kind, "\(files.count) photographs cannot be used: \(examples(files.map { "\($0.path) (\($0.reason))" }))")
  }
}

extension Dataset {
  /// Looks at the photographs of `patients` (places in `patients`) on `workers` threads and returns those that could not be
  /// decoded, in order. Files are read whole, but a JPEG of one scan that reaches its end marker need not be decoded for that.
  public func inspect(_ patients: [Int], workers: Int) -> [BadPhotograph] {
    let next = Mutex(0)
    let found = Mutex<[BadPhotograph]>([])
    DispatchQueue.concurrentPerform(iterations: max(1, workers)) { _ in
      while true {
        let index = next.withLock { next in
          defer { next += 1 }
          return next
        }
        guard index < patients.count else { return }
        let bad = inspect(patients[index])
        if !bad.isEmpty { found.withLock { $0 += bad } }
      }
    }
    return found.withLock { $0 }.sorted { ($0.patient, $1.isLeft ? 1 : 0) < ($1.patient, $0.isLeft ? 1 : 0) }
  }

  private func inspect(_ patient: Int) -> [BadPhotograph] {
    [(self.patients[patient].left, true), (self.patients[patient].right, false)].compactMap { path, isLeft in
      do {
        if let warning = try EncodedPhotograph(path: path).check() { warnings.add(path, warning) }
        return nil
      } catch {
        let failure = error as? Failure ?? Failure(.data, "\(path): \(error)")
        return BadPhotograph(patient: patient, isLeft: isLeft, path: path, failure)
      }
    }
  }

  /// The data set without the patients of `bad`, which count among those left out.
  public func leavingOut(_ bad: [BadPhotograph]) throws -> Dataset {
    guard !bad.isEmpty else { return self }
    let eyes = Dictionary(grouping: bad, by: \.patient).mapValues { Set($0.map(\.isLeft)) }
    let left = patients.indices.filter { eyes[$0] == nil }
    guard !left.isEmpty else {
      let failure = BadPhotograph.failure(bad)
      throw Failure(failure.kind, "no patient is left: \(failure.message)")
    }
    let counts = [("left image bad", [true]), ("right image bad", [false]), ("both images bad", [true, false])].map {
      reason, sides in (reason: reason, count: eyes.values.count { $0 == Set(sides) })
    }
    var result = self
    result.patients = left.map { patients[$0] }
    result.excluded += counts.filter { $0.count > 0 }
    return result
  }
}
