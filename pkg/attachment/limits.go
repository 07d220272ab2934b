package attachment

import (
	"context"
	"errors"
	"time"
)

// Limits bound what one mail may cost. Reaching one ends the looking and makes
// the verdict Limit, never Clean. A zero field takes its value from
// DefaultLimits.
type Limits struct {
	Depth        int           // containers around a member: an attached zip's members are at depth 1
	Members      int           // members of all containers of a mail
	MemberBytes  int64         // unpacked bytes of one member
	TotalBytes   int64         // unpacked bytes of all members of a mail
	Ratio        int64         // unpacked bytes for each byte of the part they came from
	RatioFloor   int64         // unpacked bytes below which Ratio is not asked
	Dictionary   int64         // memory that one decoder may ask for
	Pixels       int64         // of all pictures that are searched for codes; others are said not to be
	PictureBytes int64         // memory of one of them
	PictureMost  int64         // pixels of one picture, past which its viewer is in danger
	Passwords    int           // words of the mail that are tried on what is encrypted
	Rounds       int64         // of key derivation, for all tries of a mail together
	Time         time.Duration // for one mail
}

// DefaultLimits hold ordinary business mail with room to spare; a bomb ends
// within the ratio floor.
var DefaultLimits = Limits{
	Depth:        10,
	Members:      10_000,
	MemberBytes:  128 << 20,
	TotalBytes:   512 << 20,
	Ratio:        200,
	RatioFloor:   16 << 20,
	Dictionary:   64 << 20,
	Pixels:       48_000_000,
	PictureBytes: 48 << 20,
	PictureMost:  400_000_000,
	Passwords:    200,
	Rounds:       20_000_000,
	Time:         20 * time.Second,
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	set := func(field *int64, standard int64) {
		if *field <= 0 {
			*field = standard
		}
	}
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	if l.Members <= 0 {
		l.Members = d.Members
	}
	if l.Passwords <= 0 {
		l.Passwords = d.Passwords
	}
	if l.Time <= 0 {
		l.Time = d.Time
	}
	set(&l.MemberBytes, d.MemberBytes)
	set(&l.TotalBytes, d.TotalBytes)
	set(&l.Ratio, d.Ratio)
	set(&l.RatioFloor, d.RatioFloor)
	set(&l.Dictionary, d.Dictionary)
	set(&l.Rounds, d.Rounds)
	set(&l.Pixels, d.Pixels)
	set(&l.PictureBytes, d.PictureBytes)
	set(&l.PictureMost, d.PictureMost)
	return l
}

var (
	errPanic = errors.New("panic")
	errStop  = errors.New("looking ended") // a budget said why
)

// A budget is what is left of the limits of one mail. Once a mail-wide limit is
// reached it stays reached.
type budget struct {
	ctx      context.Context
	limits   Limits
	clock    func() time.Time
	deadline time.Time

	members int
	total   int64
	rounds  int64
	pixels  int64

	packed   int64 // bytes of the part that is being unpacked
	unpacked int64 // bytes that came out of it, on all levels

	mailStop Reason // why nothing more of this mail is unpacked
	partStop Reason // why nothing more of this part is unpacked
}

func newBudget(ctx context.Context, limits Limits, clock func() time.Time) *budget {
	return &budget{ctx: ctx, limits: limits, clock: clock, deadline: clock().Add(limits.Time)}
}

// part begins the account of one part of the mail.
func (b *budget) part(size int64) {
	b.packed, b.unpacked, b.partStop = size, 0, ""
}

// stopped is why nothing more may be unpacked, "" where it may.
func (b *budget) stopped() Reason {
	if b.mailStop != "" {
		return b.mailStop
	}
	return b.partStop
}

// tick asks whether there is still time.
func (b *budget) tick() Reason {
	switch {
	case b.stopped() != "":
	case b.ctx.Err() != nil:
		b.mailStop = Interrupted
	case b.clock().After(b.deadline):
		b.mailStop = TimeLimit
	}
	return b.stopped()
}

// member accounts for one more member.
func (b *budget) member() Reason {
	if b.tick() != "" {
		return b.stopped()
	}
	if b.members >= b.limits.Members {
		b.mailStop = MembersLimit
		return b.mailStop
	}
	b.members++
	return ""
}

// allowed is how many bytes a member may still unpack to, and which limit it
// is that allows no more.
func (b *budget) allowed() (int64, Reason) {
	left, reason := b.limits.MemberBytes, SizeLimit
	if rest := b.limits.TotalBytes - b.total; rest < left {
		left, reason = rest, TotalLimit
	}
	most := b.limits.RatioFloor
	if by := b.packed * b.limits.Ratio; by > most {
		most = by
	}
	if rest := most - b.unpacked; rest < left {
		left, reason = rest, RatioLimit
	}
	return left, reason
}

// spend accounts for n unpacked bytes.
func (b *budget) spend(n int64) {
	b.total += n
	b.unpacked += n
}

// exhaust records that a limit of allowed was reached.
func (b *budget) exhaust(reason Reason) {
	if reason == TotalLimit {
		b.mailStop = reason
		return
	}
	b.partStop = reason
}
