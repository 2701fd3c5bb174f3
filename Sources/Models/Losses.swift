import Operations

/// The losses of a step. Every part is a mean over the pairs of the whole step, so that losses and gradients of ranks add up. A part that
/// weighs nothing is told and not trained on.
struct Losses {
  let weights: LossWeights
  /// Patient labels [B,K], eye labels [2,B,K], and the number of pairs in the step over all ranks [1].
  let labels, eyeLabels, pairs: Symbol

  /// The total and its parts by name.
  func callAsFunction(_ output: DMSNet.Output) throws -> [String: Symbol] {
    func entropy(_ logits: Symbol, _ labels: Symbol) throws -> Symbol {
      try logits.binaryCrossEntropy(
        labels, pairs: pairs, smoothing: weights.smoothing, positive: weights.positive, focus: weights.focus)
    }
    let patient = try entropy(output.logits, labels)
    var parts = ["loss_patient": patient]
    var total = patient
    if let logits = output.eyes {
      let eyes = try entropy(logits, eyeLabels)
      parts["loss_eyes"] = eyes
      if weights.eyes != 0 { total = try total.plus(eyes.scaled(by: weights.eyes)) }
    }
    if let embeddings = output.embeddings {
      let contrast = try embeddings.contrastLoss(eyeLabels, pairs: pairs, margin: weights.margin)
      parts["loss_contrast"] = contrast
      if weights.contrast != 0 { total = try total.plus(contrast.scaled(by: weights.contrast)) }
    }
    parts["loss"] = total
    return parts
  }
}
