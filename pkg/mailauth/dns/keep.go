package dns

import (
	"encoding/json"
	"errors"
	"net/netip"
	"time"
)

// kept is an Answer as JSON. A TXT record holds any octets (RFC 1035 §3.3.14), which JSON
// does not: each octet stands as the character of its number.
type kept struct { // the fields of Answer, in order
	Texts []string      `json:"texts,omitempty"`
	Addrs []netip.Addr  `json:"addrs,omitempty"`
	MX    []Exchange    `json:"mx,omitempty"`
	Names []string      `json:"names,omitempty"`
	TTL   time.Duration `json:"ttl,omitempty"`
}

// rewritten gives an answer with every text of a name server's put through change.
func (k kept) rewritten(change func(string) string) kept {
	out := kept{Addrs: k.Addrs, TTL: k.TTL}
	for _, text := range k.Texts {
		out.Texts = append(out.Texts, change(text))
	}
	for _, exchange := range k.MX {
		out.MX = append(out.MX, Exchange{exchange.Pref, change(exchange.Host)})
	}
	for _, name := range k.Names {
		out.Names = append(out.Names, change(name))
	}
	return out
}

// MarshalJSON loses no octet of an answer.
func (a Answer) MarshalJSON() ([]byte, error) { return json.Marshal(kept(a).rewritten(widened)) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *Answer) UnmarshalJSON(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return err
	}
	wide := false
	*a = Answer(k.rewritten(func(s string) string {
		octets := make([]byte, 0, len(s))
		for _, r := range s {
			wide = wide || r > 0xff
			octets = append(octets, byte(r))
		}
		return string(octets)
	}))
	if wide {
		return errors.New("an octet of an answer is over 255")
	}
	return nil
}

func widened(octets string) string {
	runes := make([]rune, len(octets))
	for i := range len(octets) {
		runes[i] = rune(octets[i])
	}
	return string(runes)
}
