package attachment

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strconv"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/draw"
	"golang.org/x/image/math/f64"
)

// pictureOf decodes a picture of testdata.
func pictureOf(t testing.TB, name string) image.Image {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(made(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func pngOf(t testing.TB, picture image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// placed draws a picture into a larger white one, turned and stretched.
func placed(picture image.Image, width, height int, turn f64.Aff3) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.BiLinear.Transform(out, turn, picture, picture.Bounds(), draw.Over, nil)
	return out
}

func TestACodeThatLeadsToAWebSiteIsSuspiciousAndItsHostIsTold(t *testing.T) {
	a := scanFile(t, "a.png", made(t, "link.png"))
	want(t, a, Suspicious, QRLink)
	// The text that testdata/README.md says was encoded.
	text := "https://login.example.com/invoice?id=7"
	if len(a.Children) != 1 || a.Children[0].Name != "login.example.com" || a.Children[0].SHA256 != sum(text) || a.Children[0].Size != int64(len(text)) {
		t.Errorf("got %+v", a.Children)
	}
}

func TestACodeOfOtherWordsIsClean(t *testing.T) {
	want(t, scanFile(t, "a.png", made(t, "words.png")), Clean)
	if texts := qrTexts(grayOf(pictureOf(t, "words.png"))); len(texts) != 1 || texts[0] != "WIFI:S:harbour;T:WPA;P:berth;;" {
		t.Errorf("got %q", texts)
	}
}

func TestCodesAreReadHoweverThePictureShowsThem(t *testing.T) {
	link := pictureOf(t, "link.png") // 87 pixels wide
	var jpg, bitmap, animated bytes.Buffer
	if err := jpeg.Encode(&jpg, placed(link, 600, 400, f64.Aff3{3, 0, 50, 0, 3, 40}), &jpeg.Options{Quality: 60}); err != nil {
		t.Fatal(err)
	}
	if err := bmp.Encode(&bitmap, placed(link, 200, 200, f64.Aff3{1, 0, 20, 0, 1, 20})); err != nil {
		t.Fatal(err)
	}
	if err := gif.Encode(&animated, link, nil); err != nil {
		t.Fatal(err)
	}
	inverted := image.NewGray(link.Bounds())
	for i := range inverted.Pix {
		if r, _, _, _ := link.At(i%inverted.Stride, i/inverted.Stride).RGBA(); r == 0 {
			inverted.Pix[i] = 255
		}
	}
	clear := image.NewNRGBA(link.Bounds()) // dark on nothing at all
	for y := range link.Bounds().Dy() {
		for x := range link.Bounds().Dx() {
			if r, _, _, _ := link.At(x, y).RGBA(); r == 0 {
				clear.SetNRGBA(x, y, color.NRGBA{A: 255})
			}
		}
	}
	for name, content := range map[string][]byte{
		"as a photograph":   jpg.Bytes(),
		"as a bitmap":       bitmap.Bytes(),
		"as a GIF":          animated.Bytes(),
		"light on dark":     pngOf(t, inverted),
		"on nothing":        pngOf(t, clear),
		"turned":            pngOf(t, placed(link, 500, 500, f64.Aff3{2.6, -1.5, 200, 1.5, 2.6, 60})),
		"upside down":       pngOf(t, placed(link, 500, 500, f64.Aff3{-3, 0, 400, 0, -3, 400})),
		"stretched":         pngOf(t, placed(link, 600, 400, f64.Aff3{4, 0, 50, 0, 3.4, 40})),
		"in a large sheet":  pngOf(t, placed(link, 2480, 1754, f64.Aff3{5, 0, 1500, 0, 5, 900})),
		"in an archive":     zipOf(t, member{name: "a.png", content: made(t, "link.png")}),
		"in a document":     wordPackage(t, member{name: "word/media/image1.png", content: made(t, "link.png")}),
		"beside other ones": pngOf(t, beside(pictureOf(t, "words.png"), link)),
	} {
		if a := scanFile(t, "x", content); !contains(allReasons(a), QRLink) {
			t.Errorf("%s: %s %v", name, a.Verdict, allReasons(a))
		}
	}
}

// beside draws two pictures next to each other.
func beside(left, right image.Image) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, 400, 200))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(out, left.Bounds().Add(image.Pt(40, 40)), left, image.Point{}, draw.Src)
	draw.Draw(out, right.Bounds().Add(image.Pt(250, 60)), right, image.Point{}, draw.Src)
	return out
}

func TestTheHostOfALinkIsToldHoweverItIsWritten(t *testing.T) {
	for text, host := range map[string]string{
		"https://a.example/x":         "a.example",
		" HTTPS://A.EXAMPLE:8443/ ":   "a.example",
		"www.a.example/x":             "www.a.example",
		"https://b.example@a.example": "a.example",
		"https://\x00":                "",
	} {
		if got, ok := linkHost(text); got != host || !ok {
			t.Errorf("%q leads to %q, want %q", text, got, host)
		}
	}
	for _, text := range []string{"", "BCD\n002\n1\nSCT\n", "1234567890", "://", "tel:+49301234567"} {
		if _, ok := linkHost(text); ok {
			t.Errorf("%q is no link", text)
		}
	}
}

// hostilePictures are full of what the search for codes looks at.
func hostilePictures(n int) map[string]*image.Gray {
	r := rand.New(rand.NewPCG(5, 6))
	draw := func(f func(x, y int) bool) *image.Gray {
		g := image.NewGray(image.Rect(0, 0, n, n))
		for i := range g.Pix {
			if f(i%n, i/n) {
				g.Pix[i] = 255
			}
		}
		return g
	}
	corners := func(p int) func(x, y int) bool {
		return func(x, y int) bool {
			x, y = x/p%8, y/p%8
			inside := x < 7 && y < 7
			return !inside || x > 0 && x < 6 && y > 0 && y < 6 && (x == 1 || x == 5 || y == 1 || y == 5)
		}
	}
	return map[string]*image.Gray{
		"noise":         draw(func(x, y int) bool { return r.IntN(2) == 0 }),
		"stripes":       draw(func(x, y int) bool { return x/3%2 == 0 }),
		"squares":       draw(func(x, y int) bool { return (x/2+y/2)%2 == 0 }),
		"one colour":    draw(func(x, y int) bool { return true }),
		"small corners": draw(corners(1)),
		"corners":       draw(corners(3)),
		"large corners": draw(corners(n / 32)),
	}
}

func TestPicturesFullOfCornersAreSearchedWithinBounds(t *testing.T) {
	for name, picture := range hostilePictures(1024) {
		bits := 0
		allocated := heapGrowth(t, func() { bits = len(qrTexts(picture)) })
		if bits > 0 || allocated > 64<<20 {
			t.Errorf("%s: %d codes, %d MB", name, bits, allocated>>20)
		}
	}
}

func BenchmarkHostilePictures(b *testing.B) {
	for name, picture := range hostilePictures(1024) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				qrTexts(picture)
			}
		})
	}
}

func TestDamagedPicturesAreErrorsAndUnknownOnesAreSaidNotToBeSearched(t *testing.T) {
	link := made(t, "link.png")
	want(t, scanFile(t, "a.png", link[:len(link)/2]), Error, MalformedPicture)
	want(t, scanFile(t, "a.gif", []byte("GIF89a")), Error, MalformedPicture)
	want(t, scanFile(t, "a.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")), Clean, PictureUnread)
}

func TestPixelsUpToTheLimitAreSearchedAndOnePastItAreNot(t *testing.T) {
	link := made(t, "link.png")
	size := pictureOf(t, "link.png").Bounds()
	pixels := int64(size.Dx() * size.Dy())
	want(t, scanWith(t, "a.png", "image/png", link, Options{Limits: Limits{Pixels: pixels}}), Suspicious, QRLink)
	want(t, scanWith(t, "a.png", "image/png", link, Options{Limits: Limits{Pixels: pixels - 1}}), Clean, PictureUnread)
	// One byte a pixel: the picture has a palette or is gray.
	want(t, scanWith(t, "a.png", "image/png", link, Options{Limits: Limits{PictureBytes: pixels}}), Suspicious, QRLink)
	want(t, scanWith(t, "a.png", "image/png", link, Options{Limits: Limits{PictureBytes: pixels - 1}}), Clean, PictureUnread)
}

func TestAPictureThatClaimsToBeHugeIsNotDecoded(t *testing.T) {
	// IHDR of 60,000 by 60,000 pixels of 16 bits (RFC 2083 §4.1.1).
	head := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xea\x60\x00\x00\xea\x60\x10\x06\x00\x00\x00")
	sum := crc(head[12:])
	head = append(head, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	var a Attachment
	if grown := heapGrowth(t, func() { a = scanFile(t, "a.png", append(head, make([]byte, 1000)...)) }); grown > 8<<20 {
		t.Errorf("%d MB were allocated", grown>>20)
	}
	want(t, a, Limit, PictureLimit)
}

func TestAPictureOfMorePixelsThanAreExaminedIsNeverClean(t *testing.T) {
	link := made(t, "link.png")
	size := pictureOf(t, "link.png").Bounds()
	pixels := int64(size.Dx() * size.Dy())
	want(t, scanWith(t, "a.png", "image/png", link, Options{Limits: Limits{PictureMost: pixels}}), Suspicious, QRLink)
	want(t, scanWith(t, "a.png", "image/png", link, Options{Limits: Limits{PictureMost: pixels - 1}}), Limit, PictureLimit)
	// 20,000 by 20,000 are within the standard, and one row more is not. A sheet of
	// A0 at 300 dots an inch has 139,000,000, and the largest photographs 200,000,000.
	for height, verdict := range map[uint32]Verdict{9000: Clean, 20_000: Clean, 20_001: Limit} {
		head := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x4e\x20\x00\x00\x00\x00\x08\x02\x00\x00\x00")
		binary.BigEndian.PutUint32(head[20:], height)
		want(t, scanFile(t, "a.png", binary.BigEndian.AppendUint32(head, crc(head[12:]))), verdict)
	}
}

func FuzzPicture(f *testing.F) {
	fuzzOne(f, "a.png", made(f, "link.png"), made(f, "words.png"), []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00"), []byte("\xff\xd8\xff\xe0"), []byte("BM"), []byte("II*\x00"), []byte("RIFF\x00\x00\x00\x00WEBPVP8L"))
}

func FuzzQR(f *testing.F) {
	f.Add(made(f, "link.png")[100:], uint8(29))
	f.Add(bytes.Repeat([]byte{0, 0, 255, 0, 0}, 300), uint8(40))
	f.Fuzz(func(t *testing.T, pix []byte, width uint8) {
		w := max(int(width), 1)
		g := &image.Gray{Pix: pix[:len(pix)/w*w], Stride: w, Rect: image.Rect(0, 0, w, len(pix)/w)}
		for _, text := range qrTexts(g) {
			linkHost(text)
		}
	})
}

func TestCodesInPicturesOfPDFsAreRead(t *testing.T) {
	link := placed(pictureOf(t, "link.png"), 120, 110, f64.Aff3{1, 0, 10, 0, 1, 10})
	var photograph bytes.Buffer
	if err := jpeg.Encode(&photograph, link, nil); err != nil {
		t.Fatal(err)
	}
	var gray, colours, bits []byte
	for y := range 110 {
		for x := range 120 {
			v := link.RGBAAt(x, y).R
			gray, colours = append(gray, v), append(colours, v, v, v)
			if x%8 == 0 {
				bits = append(bits, 0)
			}
			bits[len(bits)-1] |= v >> 7 << (7 - x%8)
		}
	}
	var numbers []byte // 0 for dark, 1 for light
	for _, v := range gray {
		numbers = append(numbers, v>>7)
	}
	head := "5 0 obj << /Type /XObject /Subtype /Image /Width 120 /Height 110 "
	for name, object := range map[string]string{
		"a photograph": head + "/BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /DCTDecode /Length " + strconv.Itoa(photograph.Len()) + " >> stream\n" + photograph.String() + "\nendstream endobj",
		"gray":         head + "/BitsPerComponent 8 /ColorSpace /DeviceGray /Filter /FlateDecode >> stream\n" + deflatedStream(t, gray) + "\nendstream endobj",
		"colours":      head + "/BitsPerComponent 8 /ColorSpace 9 0 R /Filter /FlateDecode >> stream\n" + deflatedStream(t, colours) + "\nendstream endobj",
		"bits":         head + "/BitsPerComponent 1 /ColorSpace /DeviceGray /Filter /FlateDecode >> stream\n" + deflatedStream(t, bits) + "\nendstream endobj",
		"a mask":       head + "/ImageMask true /Filter /FlateDecode >> stream\n" + deflatedStream(t, bits) + "\nendstream endobj",
		"a palette":    head + "/BitsPerComponent 8 /ColorSpace [/Indexed /DeviceRGB 1 6 0 R] /Filter /FlateDecode >> stream\n" + deflatedStream(t, numbers) + "\nendstream endobj",
	} {
		a := scanFile(t, "a.pdf", pdfOf(object))
		want(t, a, Suspicious, QRLink)
		if len(a.Children) != 1 || a.Children[0].Name != "login.example.com" {
			t.Errorf("%s: %+v", name, a.Children)
		}
	}
	// A page of one colour packs by a thousand and is no bomb.
	white := "5 0 obj << /Subtype /Image /Width 3000 /Height 3000 /BitsPerComponent 8 /Filter /FlateDecode >> stream\n" + deflatedStream(t, make([]byte, 27_000_000)) + "\nendstream endobj"
	want(t, scanFile(t, "a.pdf", pdfOf(white)), Clean)
}
