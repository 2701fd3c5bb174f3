import Foundation
import Platform
import Testing

/// A folder that goes with the test.
final class Folder {
  let path = NSTemporaryDirectory() + "dmsnet-" + UUID().uuidString
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func text(_ name: String) -> String? { try? String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }
  var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

struct AtomicFileTests {
  private func mode(_ path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  @Test func aFileIsMadeAndReplacedAndKeepsItsPermissions() throws {
    let folder = try Folder()
    let path = folder.path + "/a.txt"
    try AtomicFile.write(Data("one".utf8), to: path)
    #expect(folder.text("a.txt") == "one" && mode(path) & 0o133 == 0)
    #expect(chmod(path, 0o640) == 0)
    try AtomicFile.write(Data("two".utf8), to: path)
    #expect(folder.text("a.txt") == "two" && mode(path) == 0o640 && folder.names == ["a.txt"])
  }

  @Test func onlyRegularFilesAreReplaced() throws {
    let folder = try Folder()
    try "old".write(toFile: folder.path + "/target", atomically: true, encoding: .utf8)
    #expect(symlink("target", folder.path + "/link") == 0 && symlink("nowhere", folder.path + "/dangling") == 0)
    #expect(mkfifo(folder.path + "/pipe", 0o600) == 0 && mkdir(folder.path + "/folder", 0o700) == 0)
    let before = folder.names
    for (path, what) in [
      ("link", "a symbolic link"), ("dangling", "a symbolic link"), ("pipe", "a named pipe"), ("folder", "a folder"),
      ("/dev/null", "a device"),
    ] {
      let path = path.hasPrefix("/") ? path : "\(folder.path)/\(path)"
      for attempt in [{ try AtomicFile.write(Data(), to: path) }, { try AtomicFile.check(path) }] {
        let failure = #expect(throws: Failure.self) { try attempt() }
        #expect(failure?.kind == .output && failure?.message == "\(path): is \(what), not a regular file")
      }
    }
    #expect(folder.text("target") == "old" && folder.names == before)
    for path in ["", "\(folder.path)/", "\(folder.path)/no/file", "\(folder.path)/target/file", "/proc/file"] {
      let failure = #expect(throws: Failure.self) { try AtomicFile.write(Data(), to: path) }
      #expect(failure?.kind == .output, "\(path)")
      #expect(throws: Failure.self) { try AtomicFile.check(path) }
    }
  }

  /// Links that lie where a temporary file would: neither followed nor in the way.
  @Test func litterIsNeverFollowed() throws {
    let folder = try Folder()
    try "precious".write(toFile: folder.path + "/victim", atomically: true, encoding: .utf8)
    for attempt in 0..<3 { #expect(symlink("victim", folder.path + "/a.\(getpid())-\(attempt).part") == 0) }
    #expect(symlink("victim", folder.path + "/a.part") == 0)
    try AtomicFile.write(Data("new".utf8), to: folder.path + "/a")
    #expect(folder.text("victim") == "precious" && folder.text("a") == "new" && folder.names.count == 6)
    #expect(throws: Failure.self) { try NewFile(folder.path + "/a.part") }
  }

  /// Names as long as a folder takes.
  @Test func longNamesLeaveRoomForTheTemporaryOne() throws {
    let folder = try Folder()
    for name in [String(repeating: "x", count: 255), String(repeating: "é", count: 127)] {
      try AtomicFile.write(Data("whole".utf8), to: "\(folder.path)/\(name)")
      #expect(folder.text(name) == "whole")
    }
    #expect(folder.names.count == 2)
  }

  @Test func writersOfOneFileEachSucceedWhole() async throws {
    let folder = try Folder()
    let path = folder.path + "/shared"
    await withTaskGroup(of: Void.self) { group in
      for writer in 0..<8 {
        group.addTask {
          for _ in 0..<20 {
            do { try AtomicFile.write(Data(repeating: UInt8(writer), count: 50_000), to: path) } catch {
              Issue.record(error)
            }
          }
        }
      }
    }
    let bytes = try #require(FileManager.default.contents(atPath: path))
    #expect(bytes.count == 50_000 && Set(bytes).count == 1 && folder.names == ["shared"])
  }
}

struct InputFileTests {
  @Test func onlyRegularFilesAreReadAndNothingWaits() throws {
    let folder = try Folder()
    #expect(mkfifo(folder.path + "/pipe", 0o600) == 0)
    for (path, kind) in [
      (folder.path, Failure.Kind.data), (folder.path + "/pipe", .data), ("/dev/zero", .data),
      (folder.path + "/none", .missing), ("", .missing),
    ] {
      let failure = #expect(throws: Failure.self) { try InputFile(path) }
      #expect(failure?.kind == kind, "\(path)")
    }
  }

  @Test func aFileCutShortWhileItIsReadIsAnError() throws {
    let folder = try Folder()
    let path = folder.path + "/a"
    try Data(repeating: 7, count: 1000).write(to: URL(fileURLWithPath: path))
    let file = try InputFile(path)
    #expect(try file.read(at: 990, count: 10) == Data(repeating: 7, count: 10))
    #expect(truncate(path, 500) == 0)
    #expect(try file.read(at: 400, count: 100).count == 100)
    let failure = #expect(throws: Failure.self) { try file.read(at: 400, count: 101) }
    #expect(failure?.kind == .data)
  }
}
