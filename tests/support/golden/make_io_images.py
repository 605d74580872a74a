"""Makes tests/data/images: small files of every raster and NIfTI kind beside what Pillow, tifffile and
nibabel read from them (NAME.npy; geometry in nifti.json).

Run from the repository root with pillow, tifffile, imagecodecs, nibabel and numpy installed. The
pictures are scaled from PneumoniaMNIST (CC BY 4.0, see tests/data/pneumoniamnist).
"""
import json
import pathlib
import struct
import zlib

import nibabel
import numpy as np
import tifffile
from PIL import Image

OUT = pathlib.Path("tests/data/images")
OUT.mkdir(parents=True, exist_ok=True)
XRAYS = np.load("tests/data/pneumoniamnist/pneumoniamnist.npz")["test_images"]


def gray(i=0, size=(37, 29)):
    return np.asarray(Image.fromarray(XRAYS[i]).resize(size, Image.BICUBIC))


def color():
    return np.stack([gray(0), gray(1), gray(2)], axis=-1)


def expect(name, array):
    np.save(OUT / (name + ".npy"), np.ascontiguousarray(array))


def save(name, image, **options):
    """Saves by Pillow; what Pillow then reads is the expectation."""
    image.save(OUT / name, **options)
    loaded = Image.open(OUT / name)
    if loaded.mode in ("P", "RGBA"):
        loaded = loaded.convert("RGB")
    if loaded.mode in ("1", "LA"):
        loaded = loaded.convert("L")
    expect(name, np.asarray(loaded))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, header, rows, extra=b""):
    data = b"".join(b"\0" + row for row in rows)
    (OUT / name).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *header)) +
                             extra + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def make_png():
    save("gray8.png", Image.fromarray(gray()))
    wide = gray().astype(np.uint16) * 257 - np.arange(37, dtype=np.uint16)
    save("gray16.png", Image.fromarray(wide))
    save("gray1.png", Image.fromarray(gray() > 128))
    save("gray_alpha.png", Image.merge("LA", [Image.fromarray(gray()), Image.fromarray(gray(1))]))
    save("rgb8.png", Image.fromarray(color()))
    save("rgba8.png", Image.fromarray(np.dstack([color(), gray(3)])))
    palette = Image.fromarray(color()).quantize(40)
    save("palette.png", palette, transparency=3)
    exif = Image.Exif()
    exif[274] = 6
    save("oriented.png", Image.fromarray(gray()), exif=exif)
    four = gray() >> 4
    packed = np.pad(four, ((0, 0), (0, 1)))
    png("gray4.png", (37, 29, 4, 0, 0, 0, 0), [bytes(r[::2] << 4 | r[1::2]) for r in packed])
    expect("gray4.png", np.asarray(Image.open(OUT / "gray4.png").convert("L")))
    deep = color().astype(np.uint16) * 256 + 7
    png("rgb16.png", (37, 29, 16, 2, 0, 0, 0), [r.astype(">u2").tobytes() for r in deep])
    expect("rgb16.png", deep)
    # Adam7: seven passes, each a picture of its own.
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
              (0, 1, 1, 2)]
    rows = [bytes(row) for x, y, dx, dy in passes for row in gray()[y::dy, x::dx]]
    png("interlaced.png", (37, 29, 8, 0, 0, 0, 1), rows)
    expect("interlaced.png", np.asarray(Image.open(OUT / "interlaced.png")))


def make_jpeg():
    save("gray.jpg", Image.fromarray(gray()), quality=90)
    save("rgb420.jpg", Image.fromarray(color()), quality=85)
    save("rgb444.jpg", Image.fromarray(color()), quality=85, subsampling=0)
    save("progressive.jpg", Image.fromarray(color()), quality=85, progressive=True)
    save("restarts.jpg", Image.fromarray(gray()), quality=85, restart_marker_blocks=3)
    exif = Image.Exif()
    exif[274] = 6
    save("oriented.jpg", Image.fromarray(gray()), quality=85, exif=exif)
    Image.fromarray(color()).convert("CMYK").save(OUT / "cmyk.jpg")


def tiff(name, array, **options):
    tifffile.imwrite(OUT / name, array, **({"metadata": None} | options))
    expect(name, tifffile.imread(OUT / name))


def make_tiff():
    g = gray()
    g16 = g.astype(np.uint16) * 257
    hu = g.astype(np.int16) * 8 - 1024
    tiff("u8.tif", g)
    tiff("u16_big_endian.tif", g16, byteorder=">")
    tiff("i16_deflate.tif", hu, compression="deflate", predictor=2)
    tiff("i32.tif", hu.astype(np.int32) * 70000)
    tiff("f32_lzw.tif", g.astype(np.float32) / 3, compression="lzw")
    tiff("f64.tif", g / 7.0)
    tiff("packbits.tif", g, compression="packbits")
    tiff("rgb.tif", color(), photometric="rgb", rowsperstrip=5)
    tiff("rgb_planar.tif", np.moveaxis(color(), -1, 0), photometric="rgb", planarconfig="separate")
    expect("rgb_planar.tif", color())
    tiff("rgba.tif", np.dstack([color(), gray(3)]), photometric="rgb", extrasamples=["unassalpha"])
    expect("rgba.tif", color())
    tiff("tiled_u16.tif", g16, tile=(16, 16), compression="deflate")
    tiff("bigtiff.tif", g16, bigtiff=True)
    tiff("pages.tif", np.stack([gray(i) for i in range(4)]), photometric="minisblack")
    tiff("white_is_zero.tif", g, photometric="miniswhite")
    save("jpeg.tif", Image.fromarray(color()), compression="jpeg", quality=85)
    save("bilevel.tif", Image.fromarray(g > 128))
    save("palette.tif", Image.fromarray(color()).quantize(40))
    # By the words of TIFF 6.0: Pillow 13 loses orientations 5 to 8 on the way to NumPy.
    upright = {2: g[:, ::-1], 3: g[::-1, ::-1], 4: g[::-1], 5: g.T, 6: np.rot90(g, -1),
               7: g[::-1, ::-1].T, 8: np.rot90(g)}
    for orientation, picture in upright.items():
        save(f"oriented{orientation}.tif", Image.fromarray(g), tiffinfo={274: orientation})
        expect(f"oriented{orientation}.tif", picture)


def nifti(name, data, affine, expected, kind=nibabel.Nifti1Image, codes=(1, 1), slope=None, endian="<",
          dtype=None):
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(dtype or data.dtype)
    image = kind(data, None, header)
    image.set_sform(affine, code=codes[0])
    image.set_qform(affine, code=codes[1])
    image.header.set_xyzt_units("mm")
    if slope:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, OUT / name)
    loaded = nibabel.load(OUT / name)
    raw = loaded.dataobj.get_unscaled()
    if raw.dtype.names:
        raw = np.stack([raw[n] for n in raw.dtype.names], axis=-1)
        expect(name, np.moveaxis(raw, (0, 1, 2), (2, 1, 0)))
    else:
        raw = raw.astype(raw.dtype.newbyteorder("="))
        frames = raw.reshape(raw.shape[:2] + (-1,), order="F")
        expect(name, frames.transpose(2, 1, 0))
    expected[name] = {"affine": loaded.affine.tolist() if any(codes) else None,
                      "slope": float(loaded.dataobj.slope), "inter": float(loaded.dataobj.inter)}


def make_nifti():
    expected = {}
    volume = np.stack([gray(i, (11, 7)) for i in range(5)], axis=-1).transpose(1, 0, 2)
    angle = 0.3
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0],
                         [0, 0, 1]])
    oblique = np.eye(4)
    oblique[:3, :3] = rotation @ np.diag([0.7, 0.8, 2.5])
    oblique[:3, 3] = [-12.5, 30.25, 4]
    mirrored = oblique.copy()
    mirrored[:3, 2] *= -1
    nifti("u8.nii", volume, oblique, expected)
    hu = volume.astype(np.int16) * 4
    nifti("i16_scaled.nii.gz", hu, oblique, expected, slope=(0.5, -1024))
    nifti("f32_4d_big.nii", np.stack([volume, volume[::-1]], -1).astype(np.float32) / 3, oblique,
          expected, endian=">")
    nifti("i16_qform.nii", hu, mirrored, expected, codes=(0, 1))
    nifti("u16_nifti2.nii.gz", hu.astype(np.uint16), mirrored, expected, kind=nibabel.Nifti2Image)
    nifti("f64_nifti2_big.nii", volume / 3, oblique, expected, kind=nibabel.Nifti2Image, endian=">")
    nifti("no_form.nii", volume, oblique, expected, codes=(0, 0))
    nifti("i64.nii", volume.astype(np.int64) - 100, oblique, expected)
    rgb = np.zeros(volume.shape, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    rgb["R"], rgb["G"], rgb["B"] = volume, 255 - volume, volume // 2
    nifti("rgb.nii", rgb, oblique, expected)
    expect("i64.nii", np.load(OUT / "i64.nii.npy").astype(np.int32))
    (OUT / "nifti.json").write_text(json.dumps(expected, indent=1) + "\n")


make_png()
make_jpeg()
make_tiff()
make_nifti()
