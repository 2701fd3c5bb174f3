import Foundation

/// The learning rate of a step: linear warmup, then a cosine to zero (Loshchilov and Hutter 2017) or a constant.
struct LearningRate {
  let options: Options
  /// Steps of the whole run.
  let steps: Int

  func callAsFunction(_ step: Int) -> Float {
    let rise = options.warmup > 0 ? min(1, Float(step + 1) / Float(options.warmup)) : 1
    guard options.schedule == .cosine else { return options.learningRate * rise }
    let share = Double(min(step, steps)) / Double(max(1, steps))
    return options.learningRate * rise * Float(0.5 * (1 + cos(Double.pi * share)))
  }
}
