import ArgumentParser
import Foundation
import Training

/// The program: one file a command.
@main
struct Main: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dmsnet", abstract: "Trains DMS-Net on paired fundus photographs over MPI.",
    version: Environment.version,
    subcommands: [
      Train.self, Evaluate.self, Predict.self, Prepare.self, Synthesize.self, Check.self, Benchmark.self,
      PrintGraph.self, Status.self, Doctor.self,
    ])

  /// What the command line asks for.
  private enum Request {
    case command(any ParsableCommand)
    /// Help or the version.
    case text(String)
  }

  /// Runs the command. Every error of every type becomes one line and an exit code: where all ranks know of it, rank 0 speaks;
  /// where only this rank does, it speaks and ends the others.
  static func main() {
    do {
      Processor.mend()
      // Before any thread is started: threads keep to the cores of the one that starts them.
      Cores.take()
      // The job is joined before anything can fail, so that no rank waits for one that has gone.
      let communicator = try Job.join()
      switch try communicator.together(request) {
      case .command(var command):
        do { try command.run() } catch let code as ExitCode {
          // An answer of its own, already given.
          leave(code.rawValue)
        } catch  where isAnswer(error) {
          try answer(fullMessage(for: error))
        }
      case .text(let text): try answer(text)
      }
      leave(0)
    } catch let agreed as Agreed {
      if Job.joined?.rank ?? 0 == 0 { agreed.failure.report() }
      finish(agreed.failure.kind)
    } catch {
      let failure = Failure(error)
      guard let communicator = Job.joined, communicator.size > 1 else {
        failure.report()
        finish(failure.kind)
      }
      Failure(failure.kind, communicator.place + failure.message, hint: failure.hint).report()
      communicator.abort(failure.kind.rawValue)
    }
  }

  private static func request() throws -> Request {
    if Library.isInstructionSetUnavailable {
      throw Failure(.usage, "DMSNET_ISA names no instruction set of this processor", hint: "avx512, avx2 or portable")
    }
    do {
      return .command(try parseAsRoot())
    } catch {
      let text = fullMessage(for: error)
      if isAnswer(error) { return .text(text) }
      throw Failure(.usage, message(for: error).firstLine)
    }
  }

  /// Whether what was thrown is help or the version, which were asked for and so are results.
  private static func isAnswer(_ error: any Error) -> Bool {
    !(error is Failure || error is Agreed) && exitCode(for: error) == .success
  }

  private static func answer(_ text: String) throws {
    if Job.joined?.rank == 0 { try StandardOutput.print(text) }
  }

  private static func finish(_ kind: Failure.Kind) -> Never {
    // Whoever leaves first with an error code has the launcher end the others: all meet before.
    try? Job.joined?.barrier()
    leave(kind.rawValue)
  }

  /// Leaves the job and ends. All is done by then, so a library that does not let go is not waited for: over TCP, MPICH 4.0
  /// waits for ever where the other side already waits for the launcher.
  private static func leave(_ code: Int32) -> Never {
    if let communicator = Job.joined {
      Thread.detachNewThread {
        sleep(10)
        _exit(code)
      }
      communicator.close()
    }
    Foundation.exit(code)
  }
}

/// The MPI job this process is part of.
enum Job {
  // Unsafe but sound: set once by the main thread, which alone reads it.
  nonisolated(unsafe) private(set) static var joined: AnnouncedCommunicator?

  /// Joins the job.
  static func join() throws -> AnnouncedCommunicator {
    let communicator = try MPI.open()
    joined = communicator
    return communicator
  }

  /// The job, which was joined before any command runs.
  static func communicator() throws -> AnnouncedCommunicator { try joined ?? join() }
}
