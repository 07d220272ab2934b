package attachment

import (
	"encoding/binary"
	"image"
	"math/bits"

	"github.com/makiuchi-d/gozxing"
)

// What is dark in a picture and what is light, as the library's hybrid binarizer has it, but
// asked for only where it is needed: corners are looked for in every third row at most, and
// most pictures have none.

const (
	qrBlock = 8           // pixels of a block, each way
	qrEven  = 24          // a block whose pixels differ by no more is all of one brightness
	qrSmall = 5 * qrBlock // pictures below this have one threshold, by the library
)

// qrBits are the pixels of a picture, dark or light.
type qrBits struct {
	picture       *image.Gray
	width, height int
	across, down  int                // blocks
	thresholds    []int              // of the blocks, row by row; a pixel that is no lighter is dark
	small         *gozxing.BitMatrix // instead, of a small picture
}

// newQRBits is nil where the picture has one brightness only.
func newQRBits(picture *image.Gray) *qrBits {
	b := &qrBits{picture: picture, width: picture.Rect.Dx(), height: picture.Rect.Dy()}
	if b.width < qrSmall || b.height < qrSmall {
		source := &graySource{LuminanceSourceBase: gozxing.LuminanceSourceBase{Width: b.width, Height: b.height}, picture: picture}
		matrix, err := gozxing.NewHybridBinarizer(source).GetBlackMatrix()
		if err != nil {
			return nil
		}
		b.small = matrix
		return b
	}
	b.across, b.down = (b.width+qrBlock-1)/qrBlock, (b.height+qrBlock-1)/qrBlock
	b.smooth(b.blackPoints())
	return b
}

// blackPoints estimates for each block what is dark in it. The last ones of a row and a column
// overlap those before them where the picture is no multiple of a block.
func (b *qrBits) blackPoints() []int {
	points := make([]int, b.across*b.down)
	for y := range b.down {
		top := min(y*qrBlock, b.height-qrBlock)
		for x := range b.across {
			left := min(x*qrBlock, b.width-qrBlock)
			sum, darkest, even := b.block(left, top)
			point := sum / (qrBlock * qrBlock)
			if even {
				// Nothing but background, as far as can be told, unless it is darker than what
				// counts as dark beside it.
				point = darkest / 2
				if x > 0 && y > 0 {
					beside := (points[(y-1)*b.across+x] + 2*points[y*b.across+x-1] + points[(y-1)*b.across+x-1]) / 4
					if darkest < beside {
						point = beside
					}
				}
			}
			points[y*b.across+x] = point
		}
	}
	return points
}

// block adds up the pixels of one block and tells its darkest one, where all are about even.
func (b *qrBits) block(left, top int) (sum, darkest int, even bool) {
	const ones, pairs = 0x0101010101010101, 0x00ff00ff00ff00ff
	least, most := byte(0xff), byte(0)
	at := top*b.picture.Stride + left
	for range qrBlock {
		row := b.picture.Pix[at : at+qrBlock : at+qrBlock]
		at += b.picture.Stride
		eight := binary.LittleEndian.Uint64(row)
		sum += int((eight&pairs + eight>>8&pairs) * 0x0001000100010001 >> 48)
		if most > least && most-least > qrEven {
			continue
		}
		if eight == uint64(row[0])*ones {
			least, most = min(least, row[0]), max(most, row[0])
			continue
		}
		for _, pixel := range row {
			least, most = min(least, pixel), max(most, pixel)
		}
	}
	return sum, int(least), most-least <= qrEven
}

// smooth makes the threshold of each block of the points of the 25 blocks around it.
func (b *qrBits) smooth(points []int) {
	columns := make([]int, b.across) // sums of five blocks each
	b.thresholds = make([]int, len(points))
	for y := range b.down {
		middle := min(max(y, 2), b.down-3)
		for x := range columns {
			columns[x] = 0
			for row := middle - 2; row <= middle+2; row++ {
				columns[x] += points[row*b.across+x]
			}
		}
		for x := range b.across {
			at := min(max(x, 2), b.across-3)
			b.thresholds[y*b.across+x] = (columns[at-2] + columns[at-1] + columns[at] + columns[at+1] + columns[at+2]) / 25
		}
	}
}

// dark tells whether a pixel is.
func (b *qrBits) dark(x, y int) bool {
	if b.small != nil {
		return b.small.Get(x, y)
	}
	limit := b.thresholds[y/qrBlock*b.across+x/qrBlock]
	right, bottom := x >= b.width-qrBlock, y >= b.height-qrBlock
	if right {
		limit = max(limit, b.thresholds[y/qrBlock*b.across+b.across-1])
	}
	if bottom {
		limit = max(limit, b.thresholds[(b.down-1)*b.across+x/qrBlock])
	}
	if right && bottom {
		limit = max(limit, b.thresholds[len(b.thresholds)-1])
	}
	return int(b.picture.Pix[y*b.picture.Stride+x]) <= limit
}

// row gives one row of pixels, a bit each that is set where it is dark.
func (b *qrBits) row(y int, room []uint64) []uint64 {
	words := append(room[:0], make([]uint64, (b.width+63)/64)...)
	x := 0
	if b.small == nil {
		const lanes, pairs = 0x0001000100010001, 0x00ff00ff00ff00ff
		pixels := b.picture.Pix[y*b.picture.Stride:][:b.width]
		limits := b.thresholds[y/qrBlock*b.across:][:b.across]
		below := limits // of the last rows, which two blocks may claim
		if y >= b.height-qrBlock {
			below = b.thresholds[(b.down-1)*b.across:]
		}
		for ; x+qrBlock <= b.width-qrBlock; x += qrBlock {
			// Each pixel in 16 bits: 256 more than the threshold, less the pixel, has its ninth
			// bit set where the pixel is no lighter. Then the eight bits are moved together.
			eight := binary.LittleEndian.Uint64(pixels[x:])
			limit := uint64(max(limits[x/qrBlock], below[x/qrBlock])+256) * lanes
			dark := (limit-eight&pairs)>>8&lanes | (limit-eight>>8&pairs)>>8&lanes<<1
			dark |= dark >> 14
			dark |= dark >> 28
			words[x/64] |= dark & 0xff << (x % 64)
		}
	}
	for ; x < b.width; x++ {
		if b.dark(x, y) {
			words[x/64] |= 1 << (x % 64)
		}
	}
	return words
}

// runEnd is the pixel behind the run of one brightness that goes on at x.
func runEnd(words []uint64, x, width int) int {
	same := uint64(0) // what is not of the run has its bit set
	if words[x/64]>>(x%64)&1 != 0 {
		same = ^same
	}
	for at := x / 64; at < len(words); at++ {
		other := words[at] ^ same
		if at == x/64 {
			other &= ^uint64(0) << (x % 64)
		}
		if other != 0 {
			return min(at*64+bits.TrailingZeros64(other), width)
		}
	}
	return width
}

// matrix is the whole picture as the library has it.
func (b *qrBits) matrix() *gozxing.BitMatrix {
	if b.small != nil {
		return b.small
	}
	matrix, err := gozxing.NewBitMatrix(b.width, b.height)
	if err != nil {
		return nil
	}
	var words []uint64
	line := gozxing.NewBitArray(b.width)
	for y := range b.height {
		words = b.row(y, words)
		for x := 0; x < b.width; x += 32 {
			line.SetBulk(x, uint32(words[x/64]>>(x%64)))
		}
		matrix.SetRow(y, line)
	}
	return matrix
}
