package mail

import (
	"encoding/json"
	"errors"
	"fmt"
)

// A step is one call of Open, in a form that outlives the tree it was made for.
type step []packedOpening

// A packedOpening is an Opening whose part is told by its place.
type packedOpening struct {
	Part       int // in the order of Walk
	Refused    string
	Form       Form
	Encrypted  bool
	HasProof   bool
	Filename   string
	Charset    string
	Start, End int

	content, proof []byte
}

// stepOf notes what Open was asked for.
func stepOf(m *Message, openings []Opening) step {
	places := map[*Part]int{}
	m.Walk(func(p *Part) { places[p] = len(places) })
	var s step
	for _, o := range openings {
		place, known := places[o.Part]
		if !known {
			continue // it hangs nowhere
		}
		s = append(s, packedOpening{
			Part: place, Refused: o.Refused, Form: o.Form, Encrypted: o.Encrypted, HasProof: o.Proof != nil,
			Filename: validUTF8(o.Filename), Charset: o.Charset, Start: o.Start, End: o.End, content: o.Content, proof: o.Proof,
		})
	}
	return s
}

// Pack gives a message, with what was opened in it, as bytes that another process can Unpack.
// The first part tells how; no part is copied.
func (m *Message) Pack(lim Limits) ([][]byte, error) {
	how, err := json.Marshal(packing{lim, m.steps})
	if err != nil {
		return nil, fmt.Errorf("message to pack: %w", err)
	}
	parts := [][]byte{how, m.Raw}
	for _, s := range m.steps {
		for _, o := range s {
			parts = append(parts, o.content)
			if o.HasProof {
				parts = append(parts, o.proof)
			}
		}
	}
	return parts, nil
}

type packing struct {
	Limits Limits
	Steps  []step
}

var errPacked = errors.New("packed message")

// Unpack reads a message that was packed, and gives it as it was: what Parse and Open did is done
// once more.
func Unpack(parts [][]byte) (*Message, error) {
	var p packing
	if len(parts) < 2 || json.Unmarshal(parts[0], &p) != nil {
		return nil, errPacked
	}
	m := Parse(parts[1], p.Limits)
	rest := parts[2:]
	next := func() []byte {
		if len(rest) == 0 {
			return nil
		}
		part := rest[0]
		if rest = rest[1:]; part == nil {
			part = []byte{}
		}
		return part
	}
	for _, s := range p.Steps {
		var all []*Part
		m.Walk(func(part *Part) { all = append(all, part) })
		var openings []Opening
		for _, o := range s {
			if o.Part < 0 || o.Part >= len(all) {
				return nil, errPacked
			}
			opening := Opening{
				Part: all[o.Part], Refused: o.Refused, Form: o.Form, Encrypted: o.Encrypted,
				Filename: o.Filename, Charset: o.Charset, Start: o.Start, End: o.End, Content: next(),
			}
			if o.HasProof {
				opening.Proof = next()
			}
			openings = append(openings, opening)
		}
		m = m.Open(openings, p.Limits)
	}
	return m, nil
}
