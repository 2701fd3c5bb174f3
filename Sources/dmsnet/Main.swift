import ArgumentParser
import Foundation
import Training

/// The program: one file a command.
@main
struct Main: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dmsnet", abstract: "Trains DMS-Net on paired fundus photographs over MPI.",
    version: Environment.version,
    subcommands: [Train.self, Evaluate.self, Predict.self, Synthesize.self, Check.self, Benchmark.self, Doctor.self])

  /// Runs the command. Every failure becomes one line and an exit code; where all ranks know of it, rank 0 alone speaks.
  static func main() {
    do {
      Processor.mend()
      if Library.isInstructionSetUnavailable {
        throw Failure(.usage, "DMSNET_ISA names no instruction set of this processor", hint: "avx512, avx2 or portable")
      }
      var command = try parseAsRoot(ConfigurationFile.expand(Array(CommandLine.arguments.dropFirst())))
      try command.run()
      Job.communicator?.close()
    } catch let agreed as Agreed {
      finish(agreed.failure, speaks: Job.communicator?.rank ?? 0 == 0)
    } catch let failure as Failure {
      guard let communicator = Job.communicator, communicator.size > 1 else { finish(failure, speaks: isFirstRank) }
      // The other ranks do not know yet: they are ended.
      Failure(failure.kind, communicator.place + failure.message, hint: failure.hint).report()
      communicator.abort(failure.kind.rawValue)
    } catch {
      let code = exitCode(for: error)
      // Help and version are asked for, so they are results.
      guard code == .success else { finish(Failure(.usage, message(for: error).firstLine), speaks: isFirstRank) }
      do { try StandardOutput.print(fullMessage(for: error)) } catch let failure as Failure {
        finish(failure, speaks: true)
      } catch {}
    }
  }

  /// Whether this process is the launcher's rank 0, or was not launched; for errors before MPI is there.
  private static var isFirstRank: Bool {
    let environment = ProcessInfo.processInfo.environment
    return ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"].compactMap { environment[$0] }.first.map { $0 == "0" }
      ?? true
  }

  private static func finish(_ failure: Failure, speaks: Bool) -> Never {
    if speaks { failure.report() }
    Job.communicator?.close()
    Foundation.exit(failure.kind.rawValue)
  }
}

/// The MPI job this process is part of.
enum Job {
  // Unsafe but sound: set once by the main thread, which alone reads it.
  nonisolated(unsafe) private(set) static var communicator: (any Communicator)?

  /// Joins the job.
  static func join() throws -> any Communicator {
    let joined = try MPI.open()
    communicator = joined
    return joined
  }
}
