package mail

// Limits bounds what one message may cost. A limit that is hit is a defect and,
// where bytes could thereby reach one reader and not another, an ambiguity; the
// mail itself is never lost: what was not opened stays as one closed part.
type Limits struct {
	Depth        int // multiparts and messages inside one another
	Parts        int // parts of the whole message
	HeaderBytes  int // bytes of one header that are read as fields
	HeaderFields int // fields of one header
	TotalFields  int // fields of all headers together
	LineLength   int // bytes a line may have before it is a defect; nothing is cut
	Boundary     int // bytes of a boundary parameter
	Params       int // parameters of one field
	Addresses    int // addresses of one header
	References   int // identifiers kept of a References field
	Decoded      int // bytes that decoding all parts may produce
	Work         int // bytes looked at, over all passes: it bounds the time (see budget.go)
	Memory       int // bytes that what is read may take, besides the message itself
}

// DefaultLimits holds for ordinary servers: far above what people send.
var DefaultLimits = Limits{
	Depth:        50,
	Parts:        2000,
	HeaderBytes:  1 << 20,
	HeaderFields: 2000,
	TotalFields:  20000,
	LineLength:   998, // RFC 5322 §2.1.1
	Boundary:     256, // RFC 2046 §5.1.1 allows 70; real senders go beyond
	Params:       100,
	Addresses:    10000,
	References:   1000,
	Decoded:      256 << 20,
	Work:         2_000_000_000,
	Memory:       512 << 20,
}

// orDefault fills the limits that are not set.
func (l Limits) orDefault() Limits {
	d := DefaultLimits
	for _, f := range []struct{ have, want *int }{
		{&l.Depth, &d.Depth}, {&l.Parts, &d.Parts}, {&l.HeaderBytes, &d.HeaderBytes},
		{&l.HeaderFields, &d.HeaderFields}, {&l.TotalFields, &d.TotalFields},
		{&l.LineLength, &d.LineLength}, {&l.Boundary, &d.Boundary}, {&l.Params, &d.Params},
		{&l.Addresses, &d.Addresses}, {&l.References, &d.References}, {&l.Decoded, &d.Decoded},
		{&l.Work, &d.Work}, {&l.Memory, &d.Memory},
	} {
		if *f.have <= 0 {
			*f.have = *f.want
		}
	}
	return l
}
