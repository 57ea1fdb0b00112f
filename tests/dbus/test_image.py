# SPDX-License-Identifier: BSD-3-Clause
"""The example in Python, with nothing but D-Bus, gets the bytes that qda-image gets."""
import os
import subprocess
import sys

import bus as house


def pixels(path):
    head, _, body = subprocess.check_output([os.environ["PNG"], path]).partition(b"\n")
    return [n.decode() for n in head.split()], body


def test_the_same_bytes_as_the_program_in_c(bus):
    qdad = house.Qdad(bus)
    picture = os.environ["LIGHTHOUSE"]
    subprocess.check_call([os.environ["QDA_IMAGE"], "-o", qdad.dir, "-r", "6", picture], stdout=subprocess.DEVNULL,
                          env=dict(os.environ, QDAD_SOCKET=qdad.dir + "/qdad.sock"))
    size, source = pixels(picture)
    for method, name in (("3", "edges"), ("2", "blur")):
        got = subprocess.run([sys.executable, os.environ["EXAMPLE"], method, "6"] + size, input=source, check=True,
                             stdout=subprocess.PIPE, env=dict(os.environ, QDAD_BUS=bus.address)).stdout
        want = pixels("%s/lighthouse-%s.png" % (qdad.dir, name))
        assert want == (size, got), name
        assert got != source and len(got) == len(source)
    qdad.close()


if __name__ == "__main__":
    house.main(sys.modules[__name__])
