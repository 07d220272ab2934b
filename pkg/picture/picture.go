// Package picture draws pictures anew: it decodes them and encodes their pixels, so that
// no metadata, no trailing bytes and nothing else of the original file is left. It reads
// JPEG, PNG, GIF, WebP, BMP and TIFF, and writes JPEG for photographs and PNG for all
// else; of moving pictures the first stays. The decoders are others' and are meant to run
// where pkg/confine shuts them in.
package picture

import (
	"bytes"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"sync"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// A Drawn picture is pixels of ours.
type Drawn struct {
	Content       []byte
	Type          string // "image/jpeg" or "image/png"
	Width, Height int
}

// Pixels is how many it has.
func (d Drawn) Pixels() int64 { return int64(d.Width) * int64(d.Height) }

// Why there is no drawn picture.
var (
	ErrNone  = errors.New("picture: not one that can be drawn")
	ErrLarge = errors.New("picture: more pixels than are drawn")
)

// A format is one kind of picture, told by its first bytes.
type format struct {
	magic   []string
	measure func(io.Reader) (image.Config, error)
	decode  func(io.Reader) (image.Image, error)
	photo   bool // encoded anew as a photograph
}

var formats = []format{
	{[]string{"\xff\xd8\xff"}, jpeg.DecodeConfig, jpeg.Decode, true},
	{[]string{"\x89PNG\r\n\x1a\n"}, png.DecodeConfig, png.Decode, false},
	{[]string{"GIF87a", "GIF89a"}, gif.DecodeConfig, gif.Decode, false},
	{[]string{"RIFF"}, webp.DecodeConfig, webp.Decode, false},
	{[]string{"BM"}, bmp.DecodeConfig, bmp.Decode, false},
	{[]string{"II*\x00", "MM\x00*"}, tiff.DecodeConfig, tiff.Decode, false},
}

// Is tells by the first bytes whether something may be a picture that can be drawn. It
// decodes nothing.
func Is(content []byte) bool {
	_, known := formatOf(content)
	return known
}

func formatOf(content []byte) (format, bool) {
	for _, f := range formats {
		for _, magic := range f.magic {
			if bytes.HasPrefix(content, []byte(magic)) {
				return f, true
			}
		}
	}
	return format{}, false
}

// jpegQuality is what drawn photographs are encoded with.
const jpegQuality = 88

// pngBuffers are what the encoder works with, most of what drawing a small picture would
// allocate.
var pngBuffers buffers

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() *png.EncoderBuffer {
	buffer, _ := b.pool.Get().(*png.EncoderBuffer)
	return buffer
}

func (b *buffers) Put(buffer *png.EncoderBuffer) { b.pool.Put(buffer) }

// Draw draws a picture of at most so many pixels anew. The error is ErrNone or ErrLarge.
func Draw(content []byte, pixels int64) (drawn Drawn, err error) {
	f, known := formatOf(content)
	if !known {
		return Drawn{}, ErrNone
	}
	defer func() {
		if recover() != nil { // a decoder that panics has found no picture
			drawn, err = Drawn{}, ErrNone
		}
	}()
	config, err := f.measure(bytes.NewReader(content))
	if err != nil || config.Width <= 0 || config.Height <= 0 {
		return Drawn{}, ErrNone
	}
	drawn = Drawn{Width: config.Width, Height: config.Height, Type: "image/png"}
	if drawn.Pixels() > pixels {
		return Drawn{}, ErrLarge
	}
	decoded, err := f.decode(bytes.NewReader(content))
	if err != nil {
		return Drawn{}, ErrNone
	}
	var out bytes.Buffer
	if f.photo {
		drawn.Type, err = "image/jpeg", jpeg.Encode(&out, decoded, &jpeg.Options{Quality: jpegQuality})
	} else {
		encoder := png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &pngBuffers}
		err = encoder.Encode(&out, decoded)
	}
	if err != nil {
		return Drawn{}, ErrNone
	}
	drawn.Content = out.Bytes()
	return drawn, nil
}
