package attachment

import (
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"github.com/makiuchi-d/gozxing"
)

// What is dark is what the library takes for dark, to the pixel, whatever the size.
func TestTheLibraryFindsTheSamePixelsDark(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same pictures each time
	pictures := map[string]*image.Gray{"a code": grayOf(pictureOf(t, "link.png")), "words": grayOf(pictureOf(t, "words.png"))}
	for _, size := range [][2]int{{39, 60}, {40, 40}, {41, 47}, {48, 64}, {100, 57}, {129, 63}, {200, 203}} {
		for name, pixel := range map[string]func(x, y int) byte{
			"noise":    func(_, _ int) byte { return byte(random.Uint32()) },
			"faint":    func(_, _ int) byte { return 100 + byte(random.IntN(30)) },
			"gradient": func(x, y int) byte { return byte(x + y/2) },
			"squares":  func(x, y int) byte { return byte((x/9 + y/7) % 2 * 200) },
			"edges":    func(x, y int) byte { return byte(min(255, x*y%37*9)) },
		} {
			picture := image.NewGray(image.Rect(0, 0, size[0], size[1]))
			for i := range picture.Pix {
				picture.Pix[i] = pixel(i%size[0], i/size[0])
			}
			pictures[fmt.Sprint(name, size)] = picture
		}
	}
	for name, picture := range pictures {
		source := &graySource{LuminanceSourceBase: gozxing.LuminanceSourceBase{Width: picture.Rect.Dx(), Height: picture.Rect.Dy()}, picture: picture}
		want, err := gozxing.NewHybridBinarizer(source).GetBlackMatrix()
		bits := newQRBits(picture)
		if (err != nil) != (bits == nil) {
			t.Fatalf("%s: %v, %v", name, err, bits)
		}
		if bits == nil {
			continue
		}
		matrix := bits.matrix()
		for y := range bits.height {
			for x := range bits.width {
				if got := bits.dark(x, y); got != want.Get(x, y) || matrix.Get(x, y) != got {
					t.Fatalf("%s: the pixel at %d, %d is dark: %v, in the matrix %v, the library has it %v", name, x, y, got, matrix.Get(x, y), want.Get(x, y))
				}
			}
		}
	}
}
