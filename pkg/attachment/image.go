package attachment

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/url"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// A pictureFormat decodes one kind of picture. Damage is only said of the kinds that
// are simple enough for a decoder to know all of them.
type pictureFormat struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	whole  bool
}

var pictureFormats = map[string]pictureFormat{
	"image/png":  {png.DecodeConfig, png.Decode, true},
	"image/jpeg": {jpeg.DecodeConfig, jpeg.Decode, true},
	"image/gif":  {gif.DecodeConfig, gif.Decode, true},
	"image/bmp":  {bmp.DecodeConfig, bmp.Decode, false},
	"image/tiff": {tiff.DecodeConfig, tiff.Decode, false},
	"image/webp": {webp.DecodeConfig, webp.Decode, false},
}

// openPicture looks for QR codes in a picture, of which the first frame is read.
func (w *walker) openPicture(a *Attachment, f file) error {
	format, ok := pictureFormats[a.DetectedType]
	if !ok {
		a.add(PictureUnread)
		return nil
	}
	config, err := format.config(bytes.NewReader(f.content))
	if err != nil {
		return pictureReason(a, format, err)
	}
	if config.Width <= 0 || config.Height <= 0 {
		return MalformedPicture
	}
	if pixels := int64(config.Width) * int64(config.Height); pixels > w.options.Limits.PictureMost {
		return PictureLimit
	}
	if !w.budget.picture(config) {
		a.add(PictureUnread)
		return nil
	}
	picture, err := format.decode(bytes.NewReader(f.content))
	if err != nil {
		return pictureReason(a, format, err)
	}
	return w.listLinks(a, f, qrTexts(grayOf(picture)))
}

// listLinks lists the links that the QR codes of a picture lead to, each by its host.
func (w *walker) listLinks(a *Attachment, f file, texts []string) error {
	for _, text := range texts {
		host, ok := linkHost(text)
		if !ok {
			continue
		}
		if w.budget.member() != "" {
			return errStop
		}
		link := w.outline(file{path: childPath(f.path, len(a.Children)+1), name: host, content: []byte(text), depth: f.depth + 1})
		link.DetectedType, link.Reasons = "text/uri-list", []Reason{QRLink}
		link.judge()
		a.Children = append(a.Children, link)
	}
	return nil
}

// linkHost is the host that a text leads to; ok is false where it is no link.
func linkHost(text string) (host string, ok bool) {
	text = strings.TrimSpace(text)
	at := strings.Index(text, "://")
	switch {
	case at > 0:
		for at > 0 && (text[at-1]|0x20 >= 'a' && text[at-1]|0x20 <= 'z' || text[at-1] >= '0' && text[at-1] <= '9' || text[at-1] == '+') {
			at--
		}
		text = text[at:]
	case len(text) > 4 && strings.EqualFold(text[:4], "www."):
		text = "http://" + text
	default:
		return "", false
	}
	link, _, _ := strings.Cut(text, "\n")
	if parsed, err := url.Parse(strings.TrimSpace(link)); err == nil && parsed.Hostname() != "" {
		return strings.ToLower(parsed.Hostname()), true
	}
	return "", true // a link whose host is not to be told
}

func pictureReason(a *Attachment, format pictureFormat, err error) error {
	var jpegKind jpeg.UnsupportedError
	var pngKind png.UnsupportedError
	if !format.whole || errors.As(err, &jpegKind) || errors.As(err, &pngKind) {
		a.add(PictureUnread)
		return nil
	}
	return MalformedPicture
}

// picture pays for decoding one picture; false where it is too large.
func (b *budget) picture(config image.Config) bool {
	pixels := int64(config.Width) * int64(config.Height)
	each := int64(4)
	switch config.ColorModel {
	case color.YCbCrModel, color.NYCbCrAModel:
		each = 2
	case color.GrayModel:
		each = 1
	case color.RGBA64Model, color.NRGBA64Model:
		each = 8
	default:
		if _, ok := config.ColorModel.(color.Palette); ok {
			each = 1
		}
	}
	if pixels > b.limits.Pixels-b.pixels || pixels*each > b.limits.PictureBytes {
		return false
	}
	b.pixels += pixels
	return true
}

// grayPixels is how large a picture is looked at; larger ones are made smaller.
const grayPixels = 1 << 20

// grayOf gives the brightness of a picture on white, made smaller by a whole factor
// where it is large.
func grayOf(picture image.Image) *image.Gray {
	bounds := picture.Bounds()
	factor := 1
	for bounds.Dx()/factor*(bounds.Dy()/factor) > grayPixels {
		factor++
	}
	if p, ok := picture.(*image.YCbCr); ok && factor == 1 && bounds.Min == (image.Point{}) && p.YStride == bounds.Dx() {
		return &image.Gray{Pix: p.Y, Stride: p.YStride, Rect: bounds}
	}
	width, height := bounds.Dx()/factor, bounds.Dy()/factor
	out := image.NewGray(image.Rect(0, 0, width, height))
	row := make([]byte, bounds.Dx())
	sums := make([]int, width)
	for y := range height {
		if factor == 1 {
			grayRow(out.Pix[y*out.Stride:][:width], picture, bounds.Min.Y+y)
			continue
		}
		clear(sums)
		for dy := range factor {
			grayRow(row, picture, bounds.Min.Y+y*factor+dy)
			for x := range sums {
				for _, v := range row[x*factor : (x+1)*factor] {
					sums[x] += int(v)
				}
			}
		}
		line := out.Pix[y*out.Stride:]
		for x, sum := range sums {
			line[x] = byte(sum / (factor * factor))
		}
	}
	return out
}

// grayRow gives the brightness of one row.
func grayRow(row []byte, picture image.Image, y int) {
	bounds := picture.Bounds()
	light := func(r, g, b, alpha uint32) byte { // of 16 bits, premultiplied
		return byte((299*r+587*g+114*b)/1000>>8 + (0xffff-alpha)>>8)
	}
	switch p := picture.(type) {
	case *image.YCbCr:
		copy(row, p.Y[p.YOffset(bounds.Min.X, y):])
	case *image.Gray:
		copy(row, p.Pix[p.PixOffset(bounds.Min.X, y):])
	case *image.RGBA:
		pix := p.Pix[p.PixOffset(bounds.Min.X, y):]
		for x := range row {
			row[x] = light(uint32(pix[4*x])*0x101, uint32(pix[4*x+1])*0x101, uint32(pix[4*x+2])*0x101, uint32(pix[4*x+3])*0x101)
		}
	case *image.NRGBA:
		pix := p.Pix[p.PixOffset(bounds.Min.X, y):]
		for x := range row {
			alpha := uint32(pix[4*x+3])
			if alpha == 0xff {
				row[x] = byte((299*uint32(pix[4*x]) + 587*uint32(pix[4*x+1]) + 114*uint32(pix[4*x+2])) / 1000)
				continue
			}
			row[x] = light(uint32(pix[4*x])*alpha, uint32(pix[4*x+1])*alpha, uint32(pix[4*x+2])*alpha, alpha*0x101)
		}
	case *image.Paletted:
		var lights [256]byte
		for i, c := range p.Palette[:min(len(p.Palette), 256)] {
			lights[i] = light(c.RGBA())
		}
		for x, v := range p.Pix[p.PixOffset(bounds.Min.X, y):][:len(row)] {
			row[x] = lights[v]
		}
	default:
		for x := range row {
			row[x] = light(picture.At(bounds.Min.X+x, y).RGBA())
		}
	}
}
