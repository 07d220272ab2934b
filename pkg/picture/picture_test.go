package picture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io/fs"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/postern-mail/postern/pkg/corpora"
)

// samples are one picture of 40 by 30 in each format that this machine's libraries write, half of it red.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	canvas := image.NewNRGBA(image.Rect(0, 0, 40, 30))
	for y := range 30 {
		for x := range 40 {
			shade := color.NRGBA{255, 255, 255, 255}
			if x < 20 {
				shade = color.NRGBA{255, 0, 0, 255}
			}
			canvas.Set(x, y, shade)
		}
	}
	all := map[string][]byte{}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"jpeg": func(b *bytes.Buffer) error { return jpeg.Encode(b, canvas, nil) },
		"png":  func(b *bytes.Buffer) error { return png.Encode(b, canvas) },
		"gif":  func(b *bytes.Buffer) error { return gif.Encode(b, canvas, nil) },
		"bmp":  func(b *bytes.Buffer) error { return bmp.Encode(b, canvas) },
		"tiff": func(b *bytes.Buffer) error { return tiff.Encode(b, canvas, nil) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		all[name] = out.Bytes()
	}
	// The smallest lossless WebP is from the format's own documents: one pixel.
	all["webp"] = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")
	return all
}

func TestAPictureIsDrawnAnewWithItsPixelsAndNothingElse(t *testing.T) {
	for name, content := range samples(t) {
		tail := append(bytes.Clone(content), "<script>what follows a picture</script>"...)
		drawn, err := Draw(tail, 1200)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if bytes.Contains(drawn.Content, []byte("script")) {
			t.Errorf("%s: what followed it is still there", name)
		}
		again, format, err := image.Decode(bytes.NewReader(drawn.Content))
		if err != nil || "image/"+format != drawn.Type || again.Bounds().Dx() != drawn.Width || again.Bounds().Dy() != drawn.Height {
			t.Errorf("%s: %s %v, %v", name, format, drawn.Type, err)
			continue
		}
		if name == "webp" {
			continue
		}
		if r, g, b, _ := again.At(5, 15).RGBA(); r < 0xf000 || g > 0x0fff || b > 0x0fff {
			t.Errorf("%s: the left is %x %x %x", name, r, g, b)
		}
		if r, g, b, _ := again.At(35, 15).RGBA(); min(r, g, b) < 0xf000 {
			t.Errorf("%s: the right is %x %x %x", name, r, g, b)
		}
	}
}

func TestMorePixelsThanAllowedAreNotDecoded(t *testing.T) {
	for name, content := range samples(t) {
		if name == "webp" {
			continue
		}
		if _, err := Draw(content, 1200); err != nil {
			t.Errorf("%s at the limit: %v", name, err)
		}
		if _, err := Draw(content, 1199); !errors.Is(err, ErrLarge) {
			t.Errorf("%s one past it: %v", name, err)
		}
	}
}

func TestWhatIsCutOrNoPictureIsSaidToBeNone(t *testing.T) {
	for name, content := range samples(t) {
		if !Is(content) {
			t.Errorf("%s is not known", name)
		}
		if _, err := Draw(content[:len(content)/2], 1200); name != "gif" && name != "jpeg" && !errors.Is(err, ErrNone) {
			t.Errorf("half of %s: %v", name, err)
		}
	}
	for _, content := range []string{"", "no picture", "GIF89a", "\xff\xd8\xff", "BM", "RIFF", "II*\x00"} {
		if _, err := Draw([]byte(content), 1200); !errors.Is(err, ErrNone) {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func FuzzDraw(f *testing.F) {
	for _, content := range samples(f) {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		drawn, err := Draw(content, 1<<20)
		if err != nil {
			if !errors.Is(err, ErrNone) && !errors.Is(err, ErrLarge) {
				t.Fatal(err)
			}
			return
		}
		config, _, err := image.DecodeConfig(bytes.NewReader(drawn.Content))
		if err != nil || config.Width != drawn.Width || config.Height != drawn.Height || drawn.Pixels() > 1<<20 {
			t.Fatalf("%d by %d, drawn as %d by %d: %v", drawn.Width, drawn.Height, config.Width, config.Height, err)
		}
	})
}

func BenchmarkDraw(b *testing.B) {
	for name, content := range samples(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Draw(content, 1200); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Whatever files hold, drawing them ends in a picture or in a reason.
func TestNoFileOfTheSetsDoesMoreThanNotBeAPicture(t *testing.T) {
	drawn := 0
	library := corpora.Open(t)
	err := fs.WalkDir(library, "attachments", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(library, path)
		if err != nil {
			return err
		}
		switch _, err := Draw(content, 1<<22); {
		case err == nil:
			drawn++
		case !errors.Is(err, ErrNone) && !errors.Is(err, ErrLarge):
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || drawn == 0 {
		t.Errorf("%d pictures, %v", drawn, err)
	}
}
