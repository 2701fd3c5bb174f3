import CXLSX
import Foundation
import Tensors

extension Workbook {
  /// Writes rows as a workbook of one sheet, whole or not at all; cells that look like whole numbers become numbers. Equal rows
  /// are equal files.
  static func write(_ rows: [[String]], to path: String) throws {
    let part = path + ".part"
    let parent = (path as NSString).deletingLastPathComponent
    let code: lxw_error = {
      var options = lxw_workbook_options()
      // Its temporary files share the disk that the workbook needs anyway.
      let folder = strdup(parent.isEmpty ? "." : parent)
      defer { free(folder) }
      options.tmpdir = folder
      guard let workbook = workbook_new_opt(part, &options) else { return LXW_ERROR_MEMORY_MALLOC_FAILED }
      var properties = lxw_doc_properties()
      properties.created = 315_532_800  // 1 January 1980; the present where it is not set
      workbook_set_properties(workbook, &properties)
      let sheet = workbook_add_worksheet(workbook, "annotations")
      var failed = LXW_NO_ERROR
      for (number, row) in rows.enumerated() {
        for (column, cell) in row.enumerated() where !cell.isEmpty {
          let (row, column) = (UInt32(number), UInt16(column))
          let code =
            Int(cell).map { worksheet_write_number(sheet, row, column, Double($0), nil) }
            ?? worksheet_write_string(sheet, row, column, cell, nil)
          if code != LXW_NO_ERROR { failed = code }
        }
      }
      let closed = quietly { workbook_close(workbook) }
      return failed == LXW_NO_ERROR ? closed : failed
    }()
    guard code == LXW_NO_ERROR, rename(part, path) == 0 else {
      let reason = code == LXW_NO_ERROR ? String(cString: strerror(errno)) : String(cString: lxw_strerror(code))
      unlink(part)
      throw Failure(.inputOutput, "\(path): cannot be written: \(reason)")
    }
  }

  /// Runs `work` with standard error to nowhere: libxlsxwriter prints failures there that it also returns, and a failure is one
  /// line of ours.
  private static func quietly<Result>(_ work: () -> Result) -> Result {
    let (kept, nowhere) = (fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), open("/dev/null", O_WRONLY | O_CLOEXEC))
    if kept >= 0, nowhere >= 0 { dup2(nowhere, STDERR_FILENO) }
    defer {
      if kept >= 0 {
        dup2(kept, STDERR_FILENO)
        close(kept)
      }
      if nowhere >= 0 { close(nowhere) }
    }
    return work()
  }
}
