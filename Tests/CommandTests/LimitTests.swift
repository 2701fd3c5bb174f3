import Foundation
import Testing

/// Values that are no use: refused by the option's name before anything is done.
@Suite(.serialized)
struct LimitTests {
  private static let values = [
    "", "-1", "0", "1e400", "inf", "nan", "9223372036854775807", "9223372036854775808", "1000000000", "0x10", "x",
  ]

  /// A number that a command takes, and those of `values` that it accepts.
  private struct Number {
    let command: String
    let option: String
    var taken: Set<String> = []
  }

  private static let numbers: [Number] = {
    let synthesize = "synthesize --output OUT"
    var result = [
      Number(command: "check nowhere", option: "--threads"), Number(command: "doctor", option: "--threads"),
      Number(command: synthesize, option: "--patients"), Number(command: synthesize, option: "--size"),
      Number(command: synthesize, option: "--threads"),
      Number(command: synthesize, option: "--difficulty", taken: ["0"]),
      Number(command: synthesize, option: "--label-noise", taken: ["0"]),
      Number(
        command: synthesize, option: "--seed",
        taken: ["0", "9223372036854775807", "9223372036854775808", "1000000000"]),
      Number(command: "evaluate --checkpoint nowhere --data nowhere", option: "--threads"),
      Number(command: "evaluate --checkpoint nowhere --data nowhere", option: "--workers"),
      Number(command: "predict --checkpoint nowhere --data nowhere", option: "--threads"),
    ]
    // What is read as a fraction may be hexadecimal.
    for (option, taken) in [
      ("size", []), ("workers", []), ("fold", []), ("folds", ["0"]), ("circle", ["0"]), ("shift", ["0"]),
      ("local-mean", ["0", "0x10"]), ("clahe", ["0", "0x10"]), ("rotation", ["0", "0x10"]), ("hue", ["0"]),
      ("brightness", ["0"]), ("contrast", ["0"]), ("saturation", ["0"]), ("erasing", ["0"]), ("mixup", ["0"]),
      ("flip", ["0"]), ("vertical-flip", ["0"]),
    ] as [(String, Set<String>)] {
      result.append(Number(command: "prepare --data nowhere", option: "--\(option)", taken: taken))
    }
    result.append(Number(command: "benchmark loader --data nowhere", option: "--seconds", taken: ["0x10"]))
    for kind in ["step", "inference", "kernels"] {
      for option in ["--depth", "--size", "--batch", "--threads", "--steps", "--warmup"] {
        result.append(
          Number(command: "benchmark \(kind)", option: option, taken: option == "--warmup" ? ["0"] : []))
      }
    }
    return result
  }()

  @Test func numbersHaveLimits() throws {
    let place = try Place()
    for number in Self.numbers {
      for value in Self.values where !number.taken.contains(value) {
        let words = number.command.split(separator: " ").map { $0 == "OUT" ? place.path + "/out" : String($0) }
        let arguments = words + ["\(number.option)=\(value)"]
        let done = try Command.run(arguments)
        #expect(done.code == 64, "\(arguments): \(done.code) \(done.errors)")
        #expect(done.errorLines.count == 1 && done.errors.split(separator: "\n").count <= 2, "\(done.errors)")
        #expect(done.errorLines.first?.contains(number.option.dropFirst(2)) == true, "\(done.errors)")
      }
    }
    #expect(!place.exists("out"))
    let refused = try Command.run(["check", "--threads", "0", "nowhere"])
    #expect(refused.errors == "dmsnet: error: --threads is 0, expected 1 to 1024\n")
  }

  /// Each number within its limits, all together beyond any host.
  @Test func whatNoHostHoldsIsRefused() throws {
    for kind in ["step", "inference"] {
      let done = try Command.run(["benchmark", kind, "--size", "4096", "--batch", "512", "--depth", "152"])
      #expect(done.code == 1 && done.errors.contains("this host has"), "\(done.errors)")
    }
  }
}
