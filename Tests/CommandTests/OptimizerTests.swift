import Foundation
import Testing
import Training

/// What the optimizers do to weights from step to step, against their formulas written out: seen in a checkpoint of every step and
/// in `metrics.jsonl`, for every element of every tensor.
@Suite(.serialized)
struct OptimizerTests {
  private static let every = ["--checkpoint-every", "1", "--keep", "99", "--epochs", "2"]

  /// What a checkpoint holds of the weights and beside them.
  private struct Snapshot {
    let weights, moments: [String: [Double]]
    let average: [String: [Double]]

    init(_ run: Bench.Run, step: Int) throws {
      func values(_ name: String) throws -> [String: [Double]] {
        let file = try run.file(name, checkpoint: "step-0000000\(step)")
        return try Dictionary(
          uniqueKeysWithValues: file.names.map { ($0, try file.tensor($0).values.map(Double.init)) })
      }
      (weights, moments) = (try values("model"), try values("optimizer"))
      let hasAverage = run.place.exists("\(run.name)/checkpoints/step-0000000\(step)/ema.safetensors")
      average = hasAverage ? try values("ema") : [:]
    }

    /// Names of trained tensors.
    var names: [String] {
      moments.keys.filter { $0.hasPrefix("momentum/") || $0.hasPrefix("first/") }
        .map { String($0.drop { $0 != "/" }.dropFirst()) }.sorted()
    }
  }

  /// All checkpoints of a run of six steps.
  private func snapshots(_ run: Bench.Run) throws -> [Snapshot] {
    try #require(run.steps.count == 6)
    let all = try (1...6).map { try Snapshot(run, step: $0) }
    try #require(all.allSatisfy { $0.names.count > 50 })
    return all
  }

  /// Whether weight decay spares a tensor: norms' weights and all biases, which have one axis.
  private func isSpared(_ run: Bench.Run, _ name: String) throws -> Bool { try run.shape(name).count == 1 }

  /// Elements that are not what they should be: how many, and the first of them.
  private struct Misses {
    var count = 0
    var first = ""

    /// Counts `found` where it is further from `expected` than `bar`.
    mutating func compare(_ found: Double, _ expected: Double, bar: Double, _ what: @autoclosure () -> String) {
      guard !(abs(found - expected) <= bar) else { return }
      if count == 0 { first = "\(what()): \(found), expected \(expected)" }
      count += 1
    }
  }

  /// What float32 may round off, relative to the numbers that are added.
  private static let rounding = 3e-6

  /// v = momentum v + (gradient + decay w); w -= rate v. The gradient follows from the momentum's change, and its norm is told.
  @Test(arguments: [false, true])
  func sgdFollowsItsFormula(_ decaysAll: Bool) throws {
    let bench = try Bench()
    let (momentum, decay) = (0.75, 0.5)
    let run = try bench.trained(
      Self.every + [
        "--optimizer", "sgd", "--momentum", "\(momentum)", "--weight-decay", "\(decay)", "--learning-rate", "0.01",
        "--clip", "0",
      ] + (decaysAll ? ["--decay-all"] : []))
    let (rates, norms) = (run.values("learning_rate"), run.values("gradient_norm"))
    let all = try snapshots(run)
    var misses = Misses()
    for step in 1..<all.count {
      let (before, after) = (all[step - 1], all[step])
      var squares = 0.0
      for name in before.names {
        let decay = try !decaysAll && isSpared(run, name) ? 0 : decay
        let (w, v) = (before.weights[name]!, before.moments["momentum/\(name)"]!)
        let (newW, newV) = (after.weights[name]!, after.moments["momentum/\(name)"]!)
        for i in w.indices {
          let gradient = newV[i] - momentum * v[i] - decay * w[i]
          squares += gradient * gradient
          misses.compare(
            newW[i], w[i] - rates[step] * newV[i], bar: Self.rounding * (abs(w[i]) + abs(rates[step] * newV[i])),
            "step \(step + 1), \(name)[\(i)]")
        }
      }
      #expect(
        abs(squares.squareRoot() / norms[step] - 1) < 1e-4, "step \(step + 1): \(squares.squareRoot()), \(norms[step])")
    }
    #expect(misses.count == 0, "\(misses)")
  }

  /// Loshchilov and Hutter 2019, with Adam's bias corrections (Kingma and Ba 2015).
  @Test func adamwFollowsItsFormula() throws {
    let bench = try Bench()
    let decay = 2.0
    // As float32 holds them.
    let (beta1, beta2) = (Double(Float(0.9)), Double(Float(0.999)))
    let run = try bench.trained(
      Self.every + ["--optimizer", "adamw", "--weight-decay", "\(decay)", "--learning-rate", "0.01", "--clip", "0"])
    let (rates, norms) = (run.values("learning_rate"), run.values("gradient_norm"))
    let all = try snapshots(run)
    var misses = Misses()
    for step in 1..<all.count {
      let (before, after) = (all[step - 1], all[step])
      let (first, second) = (1 - pow(beta1, Double(step + 1)), 1 - pow(beta2, Double(step + 1)))
      var squares = 0.0
      for name in before.names {
        let decay = try isSpared(run, name) ? 0 : decay
        let (w, m, v) = (before.weights[name]!, before.moments["first/\(name)"]!, before.moments["second/\(name)"]!)
        let (newW, newM, newV) = (
          after.weights[name]!, after.moments["first/\(name)"]!, after.moments["second/\(name)"]!
        )
        for i in w.indices {
          let gradient = (newM[i] - beta1 * m[i]) / (1 - beta1)
          squares += gradient * gradient
          // The gradient is known to the rounding of the first moment only.
          let slack = (abs(m[i]) + abs(newM[i])) * (abs(gradient) + abs(m[i])) * 1e-6
          let expectedV = beta2 * v[i] + (1 - beta2) * gradient * gradient
          misses.compare(newV[i], expectedV, bar: 1e-5 * expectedV + slack, "step \(step + 1), second/\(name)[\(i)]")
          let shrunk = w[i] - rates[step] * decay * w[i]
          let expectedW = shrunk - rates[step] * (newM[i] / first) / ((newV[i] / second).squareRoot() + 1e-8)
          misses.compare(
            newW[i], expectedW, bar: Self.rounding * (abs(w[i]) + rates[step]), "step \(step + 1), \(name)[\(i)]")
        }
      }
      #expect(abs(squares.squareRoot() / norms[step] - 1) < 1e-4, "step \(step + 1)")
    }
    #expect(misses.count == 0, "\(misses)")
  }

  /// Heads move at the rate, each stage of the trunk by a factor less than the one above it, the stem by one less than all stages.
  @Test func theRateFallsFromStageToStage() throws {
    let bench = try Bench()
    let decay = 0.5
    let run = try bench.trained(
      Self.every + [
        "--optimizer", "sgd", "--momentum", "0", "--weight-decay", "0", "--learning-rate", "0.5", "--clip", "0",
        "--schedule", "constant", "--layer-decay", "\(decay)",
      ])
    let all = try snapshots(run)
    let parts = ["trunk.layer4.", "trunk.layer3.", "trunk.layer2.", "trunk.layer1."]
    var misses = Misses()
    for step in 1..<all.count {
      for name in all[step].names {
        let stage = parts.firstIndex { name.hasPrefix($0) }.map { $0 + 1 } ?? (name.hasPrefix("trunk.") ? 5 : 0)
        let rate = 0.5 * pow(decay, Double(stage))
        let (old, new, moved) = (
          all[step - 1].weights[name]!, all[step].weights[name]!, all[step].moments["momentum/\(name)"]!
        )
        for i in old.indices {
          misses.compare(
            new[i], old[i] - rate * moved[i], bar: Self.rounding * (abs(old[i]) + abs(rate * moved[i])),
            "step \(step + 1), \(name)[\(i)]")
        }
      }
    }
    #expect(misses.count == 0, "\(misses)")
  }

  /// Longer gradients are brought to the norm that `--clip` says, shorter ones stay as they are; what is told is the norm before.
  @Test func clippingScalesTheWholeGradient() throws {
    let bench = try Bench()
    let options = [
      "--optimizer", "sgd", "--momentum", "0", "--weight-decay", "0", "--learning-rate", "1e-6", "--schedule",
      "constant",
    ]
    for clip in [0.125, 1e6] {
      let run = try bench.trained(Self.every + options + ["--clip", "\(clip)"])
      let norms = run.values("gradient_norm")
      let all = try snapshots(run)
      for (step, snapshot) in all.enumerated() {
        // Without momentum and decay it is the gradient itself.
        let squares = snapshot.moments.values.joined().reduce(0) { $0 + $1 * $1 }
        #expect(norms[step] > 0.5)
        #expect(abs(squares.squareRoot() / min(clip, norms[step]) - 1) < 1e-4, "clip \(clip), step \(step + 1)")
      }
    }
  }

  /// The average begins as a plain mean over ten steps' worth and then decays as `--ema` says.
  @Test(arguments: [0.3, 0.99])
  func theAverageFollowsTheWeights(_ ema: Double) throws {
    let bench = try Bench()
    let run = try bench.trained(Self.every + ["--ema", "\(ema)", "--learning-rate", "0.01"])
    let all = try snapshots(run)
    var misses = Misses()
    for step in 1..<all.count {
      let keep = min(ema, Double(step + 1) / Double(step + 10))
      for name in all[step].names {
        let (old, new, weights) = (all[step - 1].average[name]!, all[step].average[name]!, all[step].weights[name]!)
        for i in old.indices {
          misses.compare(
            new[i], keep * old[i] + (1 - keep) * weights[i], bar: Self.rounding * (abs(old[i]) + abs(weights[i])),
            "step \(step + 1), \(name)[\(i)]")
        }
      }
      // What is not trained is not averaged either.
      for name in all[step].weights.keys where name.hasSuffix("running_mean") {
        #expect(all[step].average[name] == all[step].weights[name])
      }
    }
    #expect(misses.count == 0, "\(misses)")
  }

  /// The rate of every step, for both schedules, with warmup shorter and longer than the run, and without.
  @Test(arguments: ["cosine", "constant"], [0, 1, 4, 50])
  func ratesFollowTheSchedule(_ schedule: String, _ warmup: Int) throws {
    let bench = try Bench()
    let run = try bench.trained(
      ["--epochs", "4", "--schedule", schedule, "--warmup", "\(warmup)", "--learning-rate", "0.004"])
    let rates = run.values("learning_rate")
    try #require(rates.count == 12)
    for (step, rate) in rates.enumerated() {
      let rise = warmup == 0 ? 1 : min(1, Double(step + 1) / Double(warmup))
      let fall = schedule == "constant" ? 1 : (1 + cos(.pi * Double(step) / 12)) / 2
      #expect(abs(rate - 0.004 * rise * fall) < 1e-9, "step \(step + 1): \(rate)")
    }
  }
}
