package mail

import (
	"unsafe"
)

// What a message costs is counted, never timed, so that the same bytes always read
// the same way, on a busy machine too. Work is the bytes that were looked at, each pass
// over them counted; memory is the bytes of what is kept. The budget is asked before
// each part, each decoding and each unpacking, so one pass over what is left is the most
// that it is overdrawn by.

// spend counts bytes that were looked at.
func (p *parser) spend(n int) { p.work += n }

// keep counts bytes of memory that the message takes from here on.
func (p *parser) keep(n int) { p.memory += n }

// spent gives the code of the limit that is hit, "" for none.
func (p *parser) spent() string {
	switch {
	case p.work > p.lim.Work:
		return "work_limit"
	case p.memory > p.lim.Memory:
		return "memory_limit"
	}
	return ""
}

// doubtSpent marks a part that stays closed because a limit is hit, and says whether one is.
func (p *parser) doubtSpent(part *Part) bool {
	switch p.spent() {
	case "work_limit":
		p.doubt(part, "work_limit")
	case "memory_limit":
		p.doubt(part, "memory_limit")
	default:
		return false
	}
	return true
}

const (
	partSize    = int(unsafe.Sizeof(Part{})) + 128 // with its parameters and its place in its container
	fieldSize   = int(unsafe.Sizeof(Field{}))
	addressSize = int(unsafe.Sizeof(Address{}))
	defectSize  = int(unsafe.Sizeof(Defect{})) * 3 // in the list, and in the set of those seen
)

// What decoding text costs above looking at it, about.
const (
	decodeCost = 4  // a character set's decoder
	guessCost  = 40 // all decoders that a guess tries, on guessBytes at most
)
