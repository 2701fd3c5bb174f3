/// A line of the table of fusions: two operations, the second of which reads what the first makes, that may run as one.
public enum FusionRule: Sendable {
  /// The consumer computes the producer's only output on loading its input `input`: the producer does not run.
  case prologue(@Sendable (_ producer: any Operation, _ consumer: any Operation, _ input: Int) -> Bool)
  /// The consumer works on each piece of the producer's output 0, its input `input`, as soon as it is made.
  case epilogue(@Sendable (_ producer: any Operation, _ consumer: any Operation, _ input: Int) -> Bool)
  /// The producer, of a sum that it is a part of, in a form with one more input that it adds to: the sum does not run.
  case accumulation(@Sendable (_ producer: any Operation, _ sum: any Operation) -> (any Operation)?)

  /// `Consumer` computes a `Producer` that meets `condition` on loading any of `inputs`.
  public static func loading<Producer: Operation, Consumer: Operation>(
    _: Producer.Type, in: Consumer.Type, at inputs: Int...,
    where condition: @escaping @Sendable (Producer) -> Bool = { _ in true }
  ) -> FusionRule {
    .prologue { producer, consumer, input in
      guard let producer = producer as? Producer, consumer is Consumer else { return false }
      return inputs.contains(input) && condition(producer)
    }
  }

  /// `Consumer` follows `Producer` piece by piece, where it reads its output as any of `inputs`.
  public static func following<Producer: Operation, Consumer: Operation>(
    _: Producer.Type, by: Consumer.Type, at inputs: Int...
  ) -> FusionRule {
    .epilogue { producer, consumer, input in producer is Producer && consumer is Consumer && inputs.contains(input) }
  }

  /// `Producer` adds to what `Sum` would have added to it, in the form that `form` gives, if it does.
  public static func accumulating<Producer: Operation, Sum: Operation>(
    _: Producer.Type, summedBy: Sum.Type, _ form: @escaping @Sendable (Producer, Sum) -> (any Operation)?
  ) -> FusionRule {
    .accumulation { producer, sum in
      guard let producer = producer as? Producer, let sum = sum as? Sum else { return nil }
      return form(producer, sum)
    }
  }
}

extension FusionRule {
  func isPrologue(_ producer: any Operation, _ consumer: any Operation, _ input: Int) -> Bool {
    if case .prologue(let matches) = self { matches(producer, consumer, input) } else { false }
  }

  func isEpilogue(_ producer: any Operation, _ consumer: any Operation, _ input: Int) -> Bool {
    if case .epilogue(let matches) = self { matches(producer, consumer, input) } else { false }
  }

  func accumulation(_ producer: any Operation, _ sum: any Operation) -> (any Operation)? {
    if case .accumulation(let form) = self { form(producer, sum) } else { nil }
  }
}
