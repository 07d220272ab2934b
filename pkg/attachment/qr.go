package attachment

import (
	"image"
	"math"
	"sort"

	"github.com/makiuchi-d/gozxing"
	qrdecoder "github.com/makiuchi-d/gozxing/qrcode/decoder"
	qrdetector "github.com/makiuchi-d/gozxing/qrcode/detector"
)

// This is the door to the library that reads QR codes (ISO/IEC 18004). Its own
// search for the three corners of a code compares all candidates with one another
// and takes minutes on a picture full of them, so the search is ours, with bounds;
// the library samples and decodes what was found.

const (
	qrCorners  = 16     // candidates that are combined, the most certain first
	qrTries    = 12     // of three corners, the most plausible first
	qrHits     = 20_000 // rows of corners that are looked at closely
	qrTextMost = 4096   // bytes of one text
	qrLeast    = 21     // pixels: a code of version 1 has as many modules
)

// A qrCorner is a finder pattern: a square in a frame (§6.3.3).
type qrCorner struct {
	x, y, module float64
	seen         int
}

// qrTexts reads the QR codes of a picture, light on dark ones too.
func qrTexts(picture *image.Gray) (texts []string) {
	width, height := picture.Rect.Dx(), picture.Rect.Dy()
	if width < qrLeast || height < qrLeast {
		return nil
	}
	bits := newQRBits(picture)
	if bits == nil {
		return nil
	}
	onLight, onDark := findQRCorners(bits)
	light, dark := qrTriples(onLight), qrTriples(onDark)
	if len(light) == 0 && len(dark) == 0 {
		return nil
	}
	matrix := bits.matrix()
	if texts = readQRs(matrix, light); len(texts) > 0 || len(dark) == 0 {
		return texts
	}
	matrix.FlipAll()
	return readQRs(matrix, dark)
}

// graySource shows a gray picture to the library.
type graySource struct {
	gozxing.LuminanceSourceBase
	picture *image.Gray
}

func (g *graySource) GetRow(y int, row []byte) ([]byte, error) {
	if len(row) < g.Width {
		row = make([]byte, g.Width)
	}
	copy(row, g.picture.Pix[y*g.picture.Stride:][:g.Width])
	return row, nil
}

func (g *graySource) GetMatrix() []byte { return g.picture.Pix[:g.picture.Stride*g.Height] }

func (g *graySource) Invert() gozxing.LuminanceSource { return gozxing.LuminanceSourceInvert(g) }

func (g *graySource) String() string { return "" }

// readQRs reads the codes between corners.
func readQRs(bits *gozxing.BitMatrix, triples []qrTriple) (texts []string) {
	used := map[*qrCorner]bool{}
	for n, three := range triples {
		if n >= qrTries {
			break
		}
		if used[three.corners[0]] || used[three.corners[1]] || used[three.corners[2]] {
			continue
		}
		text, ok := readQR(bits, three)
		if !ok {
			continue
		}
		for _, c := range three.corners {
			used[c] = true
		}
		texts = append(texts, text)
	}
	return texts
}

// readQR samples and decodes the code between three corners.
func readQR(bits *gozxing.BitMatrix, three qrTriple) (text string, ok bool) {
	err := guard(func() error {
		pattern := func(c *qrCorner) *qrdetector.FinderPattern { return qrdetector.NewFinderPattern1(c.x, c.y, c.module) }
		info := qrdetector.NewFinderPatternInfo(pattern(three.corners[0]), pattern(three.corners[1]), pattern(three.corners[2]))
		sampled, err := qrdetector.NewDetector(bits).ProcessFinderPatternInfo(info)
		if err != nil {
			return err
		}
		result, err := qrdecoder.NewDecoder().DecodeWithoutHint(sampled.GetBits())
		if err != nil {
			return err
		}
		text = result.GetText()
		return nil
	})
	return text[:min(len(text), qrTextMost)], err == nil
}

// A qrTriple is three corners as a code has them: bottom left, top left, top right.
type qrTriple struct {
	corners [3]*qrCorner
	error   float64 // how far from a right angle between two equal sides
}

// qrTriples combines corners of one size that stand at a right angle, the most
// plausible first.
func qrTriples(corners []*qrCorner) []qrTriple {
	var all []qrTriple
	for i, a := range corners {
		for j, b := range corners[i+1:] {
			for _, c := range corners[i+j+2:] {
				if t, ok := newQRTriple(a, b, c); ok {
					all = append(all, t)
				}
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].error < all[j].error })
	return all
}

func newQRTriple(a, b, c *qrCorner) (qrTriple, bool) {
	least, most := min(a.module, b.module, c.module), max(a.module, b.module, c.module)
	if most > 1.6*least {
		return qrTriple{}, false
	}
	square := func(p, q *qrCorner) float64 { return (p.x-q.x)*(p.x-q.x) + (p.y-q.y)*(p.y-q.y) }
	// The corner opposite the longest side is the one at the top left.
	ab, bc, ca := square(a, b), square(b, c), square(c, a)
	one, top, two := a, b, c
	long, s1, s2 := ca, ab, bc
	switch {
	case ab >= bc && ab >= ca:
		one, top, two = a, c, b
		long, s1, s2 = ab, ca, bc
	case bc >= ab && bc >= ca:
		one, top, two = b, a, c
		long, s1, s2 = bc, ab, ca
	}
	if short := min(s1, s2); short < 10*10*least*least || short*2.5 < max(s1, s2) { // version 1 has 14 modules between corners
		return qrTriple{}, false
	}
	off := math.Abs(long-s1-s2)/long + math.Abs(s1-s2)/long
	if off > 0.7 {
		return qrTriple{}, false
	}
	if (one.x-top.x)*(two.y-top.y)-(one.y-top.y)*(two.x-top.x) > 0 {
		one, two = two, one
	}
	return qrTriple{corners: [3]*qrCorner{one, top, two}, error: off + (most-least)/most}, true
}

// findQRCorners looks along the rows for dark and light in the lengths 1:1:3:1:1,
// and across where it finds them: dark corners on light, and light ones on dark.
// The middle of the smallest corner is three rows high.
func findQRCorners(bits *qrBits) (onLight, onDark []*qrCorner) {
	hits := 0
	step := max(3, bits.height/250)
	var words []uint64
	for y := step / 2; y < bits.height && hits < qrHits; y += step {
		words = bits.row(y, words)
		var runs [5]int // the last five, beginning with a dark one when dark has just ended
		for x, at := 0, 1; x < bits.width; at++ {
			dark := words[x/64]>>(x%64)&1 != 0
			end := runEnd(words, x, bits.width)
			runs = [5]int{runs[1], runs[2], runs[3], runs[4], end - x}
			x = end
			if at < 5 || !qrRatio(runs) {
				continue
			}
			hits++
			if c, ok := crossCheck(bits, dark, end, y, runs); ok && dark {
				onLight = mergeQRCorner(onLight, c)
			} else if ok {
				onDark = mergeQRCorner(onDark, c)
			}
		}
	}
	return mostCertain(onLight), mostCertain(onDark)
}

func mostCertain(found []*qrCorner) []*qrCorner {
	sort.SliceStable(found, func(i, j int) bool { return found[i].seen > found[j].seen })
	return found[:min(len(found), qrCorners)]
}

// qrRatio tells whether five runs have the lengths of a corner, give or take half
// a module.
func qrRatio(runs [5]int) bool {
	// The middle one is the longest, or this is none: most rows end here.
	if runs[2] <= runs[1] || runs[2] <= runs[3] || runs[0] == 0 {
		return false
	}
	total := 0
	for _, n := range runs {
		if n == 0 {
			return false
		}
		total += n
	}
	if total < 7 {
		return false
	}
	module := float64(total) / 7
	for i, n := range runs {
		want := module
		if i == 2 {
			want = 3 * module
		}
		if math.Abs(float64(n)-want) >= want/2+0.5 {
			return false
		}
	}
	return true
}

// crossCheck looks from the middle of five runs of a row up and down, and again to
// both sides.
func crossCheck(bits *qrBits, dark bool, end, y int, runs [5]int) (qrCorner, bool) {
	total := runs[0] + runs[1] + runs[2] + runs[3] + runs[4]
	x := end - runs[4] - runs[3] - (runs[2]+1)/2
	down, okDown := lineThrough(bits, dark, x, y, 0, 1, total)
	if !okDown {
		return qrCorner{}, false
	}
	across, okAcross := lineThrough(bits, dark, x, int(down.middle), 1, 0, total)
	if !okAcross || down.total > 2*across.total || across.total > 2*down.total {
		return qrCorner{}, false
	}
	return qrCorner{x: across.middle, y: down.middle, module: float64(down.total+across.total) / 14, seen: 1}, true
}

type qrLine struct {
	middle float64
	total  int
}

// lineThrough measures the five runs of a line through a point of one brightness.
func lineThrough(bits *qrBits, dark bool, x, y, dx, dy, most int) (qrLine, bool) {
	inside := func(x, y int) bool { return x >= 0 && y >= 0 && x < bits.width && y < bits.height }
	if !inside(x, y) || bits.dark(x, y) != dark {
		return qrLine{}, false
	}
	walk := func(sign int) (runs [3]int) {
		cx, cy := x, y
		for i := range runs {
			for inside(cx, cy) && (bits.dark(cx, cy) == dark) == (i != 1) && runs[i] <= most {
				runs[i]++
				cx, cy = cx+sign*dx, cy+sign*dy
			}
		}
		return runs
	}
	back, forth := walk(-1), walk(1)
	runs := [5]int{back[2], back[1], back[0] + forth[0] - 1, forth[1], forth[2]}
	if !qrRatio(runs) {
		return qrLine{}, false
	}
	from := float64(x*dx + y*dy)
	return qrLine{
		middle: from + float64(forth[0]-back[0])/2 + 0.5,
		total:  runs[0] + runs[1] + runs[2] + runs[3] + runs[4],
	}, true
}

// qrCandidates bounds how many corners are told apart in one picture.
const qrCandidates = 256

// mergeQRCorner adds a corner to those found, or makes one of them more certain.
func mergeQRCorner(found []*qrCorner, c qrCorner) []*qrCorner {
	for _, f := range found {
		if math.Abs(f.x-c.x) <= f.module*2 && math.Abs(f.y-c.y) <= f.module*2 {
			n := float64(f.seen)
			f.x, f.y, f.module = (f.x*n+c.x)/(n+1), (f.y*n+c.y)/(n+1), (f.module*n+c.module)/(n+1)
			f.seen++
			return found
		}
	}
	if len(found) >= qrCandidates {
		return found
	}
	return append(found, &c)
}
