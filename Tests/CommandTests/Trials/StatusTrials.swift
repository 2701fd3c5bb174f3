import Foundation
import Testing

/// Trials of the options of `status`.
enum StatusTrials {
  static let all: [String: Trial] = [
    "output": { bench in
      let done = try Command.run(["status", "--output", bench.train([]).path])
      #expect(done.code == 0 && done.output == "finished\n", "\(done.output) \(done.errors)")
      #expect(try Command.run(["status", "--output", bench.data]).code == 66)
    },
    "json": { bench in
      let object = try Command.good(["status", "--output", bench.train([]).path, "--json"]).object
      #expect(object["status"] as? String == "finished" && object["error"] is NSNull)
      #expect((object["step"] as? Int).map { $0 > 0 } == true)
    },
  ]
}
