from spack.package import *


class Dmsnet(Package):
    """Distributed data-parallel training of DMS-Net, a siamese network over pairs of fundus photographs, in Swift."""

    # The recipe lies in the sources it builds: spack develop, or an environment's "develop", names their folder.
    has_code = True
    license("Apache-2.0")
    version("develop")

    depends_on("mpi")
    depends_on("openblas threads=none")
    depends_on("libjpeg-turbo")
    depends_on("libpng")
    depends_on("libzip")
    depends_on("libxml2")
    depends_on("libxlsxwriter")
    depends_on("pkgconfig", type="build")

    conflicts("platform=windows")
    conflicts("platform=darwin")

    def setup_build_environment(self, env):
        # The pkg-config name of the MPI library.
        env.set("DMSNET_MPI", "ompi-c" if "^openmpi" in self.spec else "mpich")

    def install(self, spec, prefix):
        # Swift is the system's: Spack has no package of it.
        swift = which("swift", required=True)
        swift("build", "-c", "release", "--product", "dmsnet")
        mkdirp(prefix.bin)
        install(join_path(".build", "release", "dmsnet"), prefix.bin)
        install_tree("launch", join_path(prefix, "launch"))
        install_tree("cluster", join_path(prefix, "cluster"))

    def setup_run_environment(self, env):
        env.set("DMSNET_PROGRAM", join_path(self.prefix.bin, "dmsnet"))
