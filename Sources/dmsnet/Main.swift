import ArgumentParser
import Foundation
import Training

@main
struct Main: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dmsnet", abstract: "Trains DMS-Net on paired fundus photographs over MPI.", subcommands: [Check.self])

  /// Runs the command; every failure becomes one line and an exit code.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as Failure {
      FileHandle.standardError.write(Data("dmsnet: error: \(failure)\n".utf8))
      Foundation.exit(failure.kind.rawValue)
    } catch {
      exit(withError: error)
    }
  }
}
