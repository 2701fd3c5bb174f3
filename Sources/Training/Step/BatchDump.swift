import Foundation

/// What the network gets in the first steps of a run, in files of its `batches` folder, so that another implementation can repeat them:
/// `start.safetensors` (the weights before the first step) and for each micro-batch `step-N-part-M.safetensors` (`images` [2B,H,W,3],
/// left ones first, `labels` [B,K], `eye_labels` [2,B,K]).
struct BatchDump {
  private let folder: String
  private let steps: Int

  /// A dump as `options` ask for; nil where they do not.
  init?(_ options: Options) {
    guard options.dumpBatches > 0 else { return nil }
    (folder, steps) = (options.output + "/batches", options.dumpBatches)
  }

  /// Writes the weights that a run starts with.
  func write(start variables: Variables) throws {
    let copy = try variables.copy()
    try write(variables.items(parameters: copy, states: copy), "start")
  }

  /// Writes micro-batch number `part`, from 0, of step number `step`, from 1, where it is one of the first.
  func write(_ batch: Batch, step: Int, part: Int, of preparation: Preparation) throws {
    guard step <= steps else { return }
    let pairs = batch.examples.count
    let labels = batch.labels.count / pairs
    let images = batch.withImages { Tensor([2 * pairs, preparation.height, preparation.width, 3], Array($0)) }
    try write(
      [
        Safetensors.Item("images", images), Safetensors.Item("labels", Tensor([pairs, labels], batch.labels)),
        Safetensors.Item("eye_labels", Tensor([2, pairs, labels], batch.eyeLabels)),
      ], "step-\(step)-part-\(part)")
  }

  private func write(_ items: [Safetensors.Item], _ name: String) throws {
    do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
      throw Failure(.output, "\(folder): cannot be made or written to")
    }
    try Safetensors.write(items, to: "\(folder)/\(name).safetensors")
  }
}
