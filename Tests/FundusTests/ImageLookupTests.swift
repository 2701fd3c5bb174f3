import Foundation
import Fundus
import Testing

/// Which file a table's image is.
struct ImageLookupTests {
  private static let header = "ID,Left-Fundus,Right-Fundus\n"

  /// A folder with a table of one patient, whose images are named `left` and `right`, and these `files`.
  private func folder(_ left: String, _ right: String, files: [String]) throws -> Folder {
    let folder = try Folder()
    _ = try folder.write("a.csv", Self.header + "1,\"\(left)\",\"\(right)\"\n")
    for file in files {
      let url = URL(fileURLWithPath: "\(folder.path)/\(file)")
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(file.utf8).write(to: url)
    }
    return folder
  }

  private func read(_ path: String, images: String? = nil, strict: Bool = false) throws -> Dataset {
    var source = Dataset.Source(folder: path)
    (source.annotations, source.images, source.isStrict, source.isLabelled) = (path + "/a.csv", images, strict, false)
    return try Dataset(source)
  }

  private func read(_ folder: Folder) throws -> Dataset { try read(folder.path) }

  private func failure(_ folder: Folder) -> Failure? { failure(folder.path) }

  private func failure(_ path: String, images: String? = nil, strict: Bool = false) -> Failure? {
    #expect(throws: Failure.self) { try read(path, images: images, strict: strict) }
  }

  private func link(_ path: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
  }

  /// The data folder, a folder of images and single images may be links, and links may go in circles.
  @Test(.timeLimit(.minutes(1)))
  func linksAreFollowedOnce() throws {
    let real = try folder("l.jpg", "r.jpg", files: ["images/l.jpg", "images/r.jpg"])
    let other = try folder("l.jpg", "r.jpg", files: [])
    try link(other.path + "/images", to: real.path + "/images")
    try link(other.path + "/again", to: real.path + "/images")
    try link(real.path + "/images/up", to: "..")
    try link(real.path + "/images/self", to: "self")
    #expect(try read(other.path).patients.count == 1)
    let data = other.path + "/data"
    try link(data, to: real.path)
    #expect(try read(data).patients.map(\.left) == [data + "/images/l.jpg"])
    let single = try folder("l.jpg", "r.jpg", files: ["deep/r.jpg"])
    try link(single.path + "/l.jpg", to: real.path + "/images/l.jpg")
    // One file by two ways is one file.
    try link(single.path + "/deep/l.jpg", to: real.path + "/images/l.jpg")
    #expect(try read(single.path).patients.count == 1)
    try FileManager.default.removeItem(atPath: real.path + "/images/l.jpg")
    #expect(failure(single.path)?.message.contains("no patient") == true)
  }

  @Test func hiddenFilesAreLeftOut() throws {
    let files = ["l.jpg", "r.jpg", ".trash/l.jpg", "__MACOSX/l.jpg", "._r.jpg", "x/.r.jpg"]
    #expect(try read(folder("l.jpg", "r.jpg", files: files)).patients.count == 1)
  }

  @Test func theLastPartOfANameDecides() throws {
    for name in ["images/l.jpg", "ODIR-5K/Training Images/l.jpg", "C:\\data\\l.jpg", "./l.jpg", "/elsewhere/l.jpg"] {
      #expect(try read(folder(name, "r.JPEG", files: ["pictures/l.jpg", "pictures/r.JPEG"])).patients.count == 1)
    }
    // Folders in the name decide between files that share the last part.
    let files = ["a/b/l.jpg", "c/l.jpg", "a/r.png"]
    let found = try folder("b\\l.jpg", "r.png", files: files)
    #expect(try read(found.path).patients[0].left == found.path + "/a/b/l.jpg")
    let both = failure(try folder("l.jpg", "r.png", files: files))
    #expect(both?.message.contains("a/b/l.jpg and ") == true && both?.hint == "choose a folder with --images DIR")
  }

  /// Another suffix or other letters are not taken for the image, but told.
  @Test func aMissingImageIsShownWithItsNamesake() throws {
    for there in ["l.JPG", "l.png", "x/L.jpeg"] {
      let name = URL(fileURLWithPath: there).lastPathComponent
      let place = try folder("l.jpg", "r.jpg", files: [there, "r.jpg", "2_l.jpg"])
      #expect(failure(place.path)?.hint?.hasPrefix("for example l.jpg is missing, \(name) is there") == true)
      let strict = failure(place.path, strict: true)
      #expect(strict?.message.contains("a.csv, row 2: image l.jpg is not below") == true)
      #expect(strict?.hint == "\(name) is there")
      _ = try place.write("a.csv", Self.header + "1,l.jpg,r.jpg\n2,2_l.jpg,r.jpg\n3,nowhere.jpg,r.jpg\n")
      #expect(
        try read(place.path).summary.hasSuffix(
          "1 of 3 patients have both images; 2 left out: 2 left image missing; for example l.jpg is missing, \(name) is there"
        ))
    }
  }

  @Test(.enabled(if: geteuid() != 0, "permissions do not bind root"))
  func whatMayNotBeReadIsNamed() throws {
    let place = try folder("l.jpg", "r.jpg", files: ["images/l.jpg", "r.jpg"])
    chmod(place.path + "/images", 0)
    defer { chmod(place.path + "/images", 0o700) }
    #expect(failure(place)?.hint == "for example l.jpg is missing; \(place.path)/images may not be read")
    chmod(place.path + "/r.jpg", 0)
    #expect(
      #expect(throws: Failure.self) { try Photograph(path: place.path + "/r.jpg") }
        == Failure(.missing, "\(place.path)/r.jpg: cannot be read: Permission denied"))
  }

  @Test func aFolderWithoutTheImagesIsNamedWithWhatIsThere() throws {
    let none = failure(try folder("l.jpg", "r.jpg", files: []))
    #expect(none?.kind == .missing && none?.hint == "for example l.jpg is missing; no picture is there")
    let other = failure(try folder("l.jpg", "r.jpg", files: ["im1.png"]))
    #expect(other?.hint == "for example l.jpg is missing; im1.png is there")
    let place = try folder("l.jpg", "r.jpg", files: ["l.jpg", "r.jpg"])
    #expect(failure(place.path, images: "/nonexistent") == Failure(.missing, "/nonexistent: no such folder"))
    let file = place.path + "/l.jpg"
    #expect(failure(place.path, images: file) == Failure(.missing, "\(file): not a folder"))
  }
}
