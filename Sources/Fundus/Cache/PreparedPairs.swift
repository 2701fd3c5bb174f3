extension Dataset {
  /// This data set with pairs from `cache`, in whose stead photographs are decoded where it is nil or lacks a pair.
  public func cached(in cache: PairCache?) -> Dataset {
    var result = self
    result.cache = cache
    return result
  }

  /// Tells again what decoders found odd when `cache` was made.
  public func repeatWarnings() {
    for patient in patients {
      for (path, text) in zip([patient.left, patient.right], cache?.warnings(patient) ?? []) where !text.isEmpty {
        warnings.add(path, text)
      }
    }
  }

  /// Gives `body` the prepared pixels of the patient at `place`, left and right: from the cache, or from the photographs.
  func withPair<Result>(
    _ place: Int, _ preparation: Preparation, _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
  ) throws -> Result {
    let patient = patients[place]
    do {
      let prepared = cache?.preparation == preparation ? try cache?.pair(patient) : nil
      let pair = try prepared ?? [patient.left, patient.right].map { try preparation.load($0, warnings) }
      return try pair[0].withUnsafeBufferPointer { left in
        try pair[1].withUnsafeBufferPointer { try body([left, $0]) }
      }
    } catch let failure as Failure {
      throw Failure(failure.kind, "patient \(patient.id): \(failure.message)", hint: failure.hint)
    }
  }
}
