#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""usage: qda-image.py FILE.png EDGES.png

Has a DSP find the edges of a picture: what examples/image does, by the Python package qda.
"""
import struct
import sys

import PIL.Image
import qda

with PIL.Image.open(sys.argv[1]) as file, qda.Client() as client, client.session() as session:
    picture = file if file.mode in ('L', 'LA', 'RGB', 'RGBA') else file.convert('RGBA')
    (width, height), channels = picture.size, len(picture.mode)
    row, size = width * channels, width * height * channels
    source, result = client.buffer(size), client.buffer(size)
    source.data[:size] = picture.tobytes()
    filters = session.module('file:///libqda_image_skel.so?qda_image_skel_handle_invoke&_modver=1.0')
    filters.invoke(3, struct.pack('<8I', size, size, width, height, channels, row, row, 0),
                   qda.InBuffer(source, 0, size), qda.OutBuffer(result, 0, size))
    PIL.Image.frombytes(picture.mode, picture.size, bytes(result.data[:size])).save(sys.argv[2])
