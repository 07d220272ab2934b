package attachment

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"io"
)

// pdfPicture looks for QR codes in a picture of a PDF: a JPEG, or samples of gray, of
// red, green and blue, or of a palette. Other pictures, and what is drawn as lines
// and squares, are not searched; nothing is said of them, because few pages are
// without. It costs pixels and nothing else of the budget, so that a page of one
// colour, however well it packs, is no bomb.
func (w *walker) pdfPicture(a *Attachment, f file, s pdfStream, lock *pdfLock) error {
	if s.width < qrLeast || s.height < qrLeast || s.hidden || s.predictor == 2 {
		return nil
	}
	photograph := false
	if n := len(s.filters); n > 0 && (s.filters[n-1] == "DCTDecode" || s.filters[n-1] == "DCT") {
		s.filters, photograph = s.filters[:n-1], true
	}
	if !w.budget.picture(image.Config{ColorModel: color.RGBAModel, Width: s.width, Height: s.height}) {
		return nil
	}
	r, err := pdfReader(s, lock)
	if err != nil {
		return nil //nolint:nilerr // packed in a way that only pictures are
	}
	var found *image.Gray
	_ = guard(func() error { // a decoder that fails has found nothing
		most := int64(s.width+1) * int64(s.height) * 4
		content, _ := io.ReadAll(io.LimitReader(r, most))
		if !photograph {
			if s.predictor >= 10 {
				content = unpredict(content, s.columns, s.pixel)
			}
			found = s.gray(content)
			return nil
		}
		config, err := jpeg.DecodeConfig(bytes.NewReader(content))
		if err != nil || config.Width > s.width || config.Height > s.height {
			return err
		}
		decoded, err := jpeg.Decode(bytes.NewReader(content))
		if err == nil {
			found = grayOf(decoded)
		}
		return err
	})
	if found == nil {
		return nil
	}
	return w.listLinks(a, f, qrTexts(grayOf(found)))
}

// gray makes a picture of samples (ISO 32000-1 §8.9.5.2); nil where there are too few.
// How many make a pixel is told by how many there are, because the space of their
// colours often stands elsewhere. Numbers of a palette are taken for brightness.
func (s pdfStream) gray(samples []byte) *image.Gray {
	out := image.NewGray(image.Rect(0, 0, s.width, s.height))
	switch {
	case s.bits == 8 && len(samples) >= 3*s.width*s.height:
		for i := range out.Pix {
			out.Pix[i] = byte((299*int(samples[3*i]) + 587*int(samples[3*i+1]) + 114*int(samples[3*i+2])) / 1000)
		}
		return out
	case s.bits != 1 && s.bits != 2 && s.bits != 4 && s.bits != 8:
		return nil
	}
	row := (s.width*s.bits + 7) / 8
	if len(samples) < row*s.height {
		return nil
	}
	most := byte(0)
	for y := range s.height {
		for x := range s.width {
			at := x * s.bits
			v := samples[y*row+at/8] << (at % 8) >> (8 - s.bits)
			out.Pix[y*out.Stride+x] = v
			most = max(most, v)
		}
	}
	for i, v := range out.Pix {
		out.Pix[i] = byte(int(v) * 255 / max(1, int(most)))
	}
	return out
}
