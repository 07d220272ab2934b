package sanitize

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// A format is one kind of picture that we can draw, told by its first bytes.
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

// redraw decodes an image and encodes its pixels anew: no metadata, no trailing
// bytes, nothing of the original file. Photographs stay JPEG, all else becomes
// PNG; of moving pictures the first stays. False means that it is no image that
// we can draw, or that it is too large.
func (r *renderer) redraw(content []byte) (drawn []byte, kind string, ok bool) {
	f, known := formatOf(content)
	if !known {
		return nil, "", false
	}
	config, err := measure(f, content)
	if err != nil || config.Width <= 0 || config.Height <= 0 {
		return nil, "", false
	}
	pixels := int64(config.Width) * int64(config.Height)
	if pixels > int64(r.options.MaxPixels) || pixels+int64(r.drawn) > int64(r.options.MaxDrawn) {
		r.notice(ImagesLeftOut)
		return nil, "", false
	}
	r.drawn += int(pixels)
	picture, err := decode(f, content)
	if err != nil {
		return nil, "", false
	}
	var out bytes.Buffer
	if f.photo {
		kind, err = "image/jpeg", jpeg.Encode(&out, picture, &jpeg.Options{Quality: jpegQuality})
	} else {
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		kind, err = "image/png", encoder.Encode(&out, picture)
	}
	return out.Bytes(), kind, err == nil
}

// measure reads a picture's size; a decoder that panics has found no picture.
func measure(f format, content []byte) (config image.Config, err error) {
	defer func() {
		if recover() != nil {
			err = image.ErrFormat
		}
	}()
	return f.measure(bytes.NewReader(content))
}

func decode(f format, content []byte) (picture image.Image, err error) {
	defer func() {
		if recover() != nil {
			err = image.ErrFormat
		}
	}()
	return f.decode(bytes.NewReader(content))
}

// inline lets the HTML show a drawn image by its content id, while there is room.
func (r *renderer) inline(id string, a *Attachment) {
	size := base64.StdEncoding.EncodedLen(len(a.Content))
	if _, taken := r.images[id]; taken || r.inlined+size > r.options.MaxInline {
		return
	}
	r.inlined += size
	a.ContentID = id
	r.images[id] = "data:" + a.Type + ";base64," + base64.StdEncoding.EncodeToString(a.Content)
}
