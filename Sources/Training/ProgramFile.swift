import CStart

/// The file of the running program.
public enum ProgramFile {
  /// Where it can be read and started again.
  public static var path: String { String(cString: dms_program()) }
}
