package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"
)

// painted are pictures of each kind of pixels that the encoders know.
func painted() map[string]image.Image {
	at := image.Rect(0, 0, 70, 30)
	palette := color.Palette{color.Black, color.NRGBA{200, 0, 0, 100}, color.Transparent, color.White}
	return map[string]image.Image{
		"gray": image.NewGray(at), "gray of 16 bits": image.NewGray16(at), "opaque": image.NewNRGBA(at), "of a palette": image.NewPaletted(at, palette),
		"of 16 bits": image.NewNRGBA64(at), "of a photograph": image.NewYCbCr(at, image.YCbCrSubsampleRatio420), "of ink": image.NewCMYK(at),
	}
}

// anew draws what was painted anew, from a file of a format.
func anew(t testing.TB, from string, m image.Image) Drawn {
	t.Helper()
	var file bytes.Buffer
	var err error
	switch from {
	case "png":
		err = png.Encode(&file, m)
	case "jpeg":
		err = jpeg.Encode(&file, m, nil)
	case "gif":
		err = gif.Encode(&file, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := Draw(file.Bytes(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return drawn
}

func TestWhatIsDrawnHasTheShapeOfIt(t *testing.T) {
	for name, m := range painted() {
		for _, from := range []string{"png", "jpeg", "gif"} {
			if err := Check(anew(t, from, m)); err != nil {
				t.Errorf("%s from %s: %v", name, from, err)
			}
		}
	}
	noise := image.NewGray(image.Rect(0, 0, 2000, 1500)) // longer than one piece of a file
	for i := range noise.Pix {
		noise.Pix[i] = byte(i * i >> 3)
	}
	for _, from := range []string{"png", "jpeg"} {
		if drawn := anew(t, from, noise); Check(drawn) != nil {
			t.Errorf("a long one from %s", from)
		}
	}
}

// chunk is one of a PNG.
func chunk(kind, body string) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE([]byte(kind+body)))
}

func TestWhatHasAnotherShapeIsNotTakenForDrawn(t *testing.T) {
	asPNG, asJPEG := anew(t, "png", painted()["opaque"]), anew(t, "jpeg", painted()["gray"])
	const header, end = 8 + 12 + 13, 12 // bytes of a PNG up to its second chunk, and of its last
	in := func(d Drawn, at int, more []byte) Drawn {
		d.Content = slices.Insert(slices.Clone(d.Content), at, more...)
		return d
	}
	set := func(d Drawn, at int, b byte) Drawn {
		d.Content = slices.Clone(d.Content)
		d.Content[at] = b
		return d
	}
	sized := func(d Drawn, width, height int) Drawn { d.Width, d.Height = width, height; return d }
	typed := func(d Drawn, kind string) Drawn { d.Type = kind; return d }
	vast := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", "\x00\x01\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00")...)
	vast = append(append(vast, chunk("IDAT", "x")...), chunk("IEND", "")...)
	edge := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", "\x00\x01\x00\x00\x00\x00\x00\x01\x08\x00\x00\x00\x00")...)
	edge = append(append(edge, chunk("IDAT", "x")...), chunk("IEND", "")...)
	var moving bytes.Buffer
	if err := gif.Encode(&moving, painted()["gray"], nil); err != nil {
		t.Fatal(err)
	}
	length := len(asPNG.Content)
	for name, c := range map[string]struct {
		drawn Drawn
		ok    bool
	}{
		"a PNG":                           {asPNG, true},
		"a JPEG":                          {asJPEG, true},
		"nothing":                         {typed(Drawn{}, "image/png"), false},
		"another type":                    {typed(asPNG, "image/svg+xml"), false},
		"a PNG that is said to be a JPEG": {typed(asPNG, "image/jpeg"), false},
		"a JPEG that is said to be a PNG": {typed(asJPEG, "image/png"), false},
		"a GIF":                           {sized(Drawn{Content: moving.Bytes(), Type: "image/png"}, 70, 30), false},
		"a width that is not so":          {sized(asPNG, 71, 30), false},
		"a height that is not so":         {sized(asJPEG, 70, 1<<32+30), false},
		"as wide as may be":               {Drawn{edge, "image/png", maxEdge, 1}, true},
		"a pixel wider":                   {Drawn{vast, "image/png", maxEdge + 1, 1}, false},
		"words in a PNG":                  {in(asPNG, header, chunk("tEXt", "Comment\x00words")), false},
		"a profile":                       {in(asPNG, header, chunk("iCCP", "x")), false},
		"frames that move":                {in(asPNG, header, chunk("acTL", "x")), false},
		"a palette behind the pixels":     {in(asPNG, length-end, chunk("PLTE", "xxx")), false},
		"two palettes":                    {in(asPNG, header, append(chunk("PLTE", "xxx"), chunk("PLTE", "xxx")...)), false},
		"two headers":                     {in(asPNG, header, asPNG.Content[8:header]), false},
		"bytes behind a PNG":              {in(asPNG, length, []byte("x")), false},
		"a checksum that is not so":       {set(asPNG, length-1, 0), false},
		"interlaced":                      {in(asPNG, 8, chunk("IHDR", "\x00\x00\x00\x46\x00\x00\x00\x1e\x08\x02\x00\x00\x01")), false},
		"cut":                             {Drawn{asPNG.Content[:length-1], "image/png", 70, 30}, false},
		"a chunk of four gigabytes":       {in(asPNG, header, []byte("\xff\xff\xff\xffIDAT")), false},
		"words in a JPEG":                 {in(asJPEG, 2, []byte("\xff\xfe\x00\x07words")), false},
		"a JPEG with metadata":            {in(asJPEG, 2, []byte("\xff\xe1\x00\x08Exif\x00\x00")), false},
		"bytes behind a JPEG":             {in(asJPEG, len(asJPEG.Content), []byte("x")), false},
		"a progressive JPEG":              {set(asJPEG, bytes.Index(asJPEG.Content, []byte{0xff, 0xc0})+1, 0xc2), false},
		"a segment of nothing":            {in(asJPEG, 2, []byte("\xff\xdb\x00\x01")), false},
		"a JPEG that does not end":        {Drawn{asJPEG.Content[:len(asJPEG.Content)-2], "image/jpeg", 70, 30}, false},
		"a JPEG in a JPEG":                {in(asJPEG, len(asJPEG.Content)-2, asJPEG.Content), false},
	} {
		if got := Check(c.drawn) == nil; got != c.ok {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// What is taken for drawn is what others read as a picture of that size, or as none.
func FuzzCheck(f *testing.F) {
	f.Add(anew(f, "png", painted()["of a palette"]).Content)
	f.Add(anew(f, "jpeg", painted()["of a photograph"]).Content)
	f.Fuzz(func(t *testing.T, content []byte) {
		width, height, ok := checkPNG(content)
		config, err := png.DecodeConfig(bytes.NewReader(content))
		if !ok {
			width, height, ok = checkJPEG(content)
			config, err = jpeg.DecodeConfig(bytes.NewReader(content))
		}
		if ok && err == nil && (int(width) != config.Width || int(height) != config.Height) {
			t.Errorf("%d by %d, and for others %d by %d", width, height, config.Width, config.Height)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	drawn := anew(b, "png", image.NewNRGBA(image.Rect(0, 0, 2000, 1500)))
	b.SetBytes(int64(len(drawn.Content)))
	for b.Loop() {
		if Check(drawn) != nil {
			b.Fatal("not drawn")
		}
	}
}
