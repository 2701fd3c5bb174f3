import Foundation

/// Results. A byte of them that cannot be written is an error.
public enum StandardOutput {
  /// Writes `text` and a line end; on return all of it is where the descriptor leads. Nothing is buffered.
  public static func print(_ text: String) throws {
    var code = Descriptor.write(text + "\n", to: 1)
    // Some file systems report a full disk only when a descriptor is closed.
    if code == 0, case let copy = dup(1), copy >= 0, close(copy) != 0 { code = errno }
    guard code == 0 else { throw Failure.system("write", "standard output", errno: code) }
  }
}
