package dns

import (
	"encoding/json"
	"errors"
	"net/netip"
	"time"
)

// kept is an Answer as JSON. A TXT record holds any octets (RFC 1035 §3.3.14), which JSON
// does not: each octet stands as the character of its number.
type kept struct {
	Texts []string      `json:"texts,omitempty"`
	Addrs []netip.Addr  `json:"addrs,omitempty"`
	MX    []Exchange    `json:"mx,omitempty"`
	Names []string      `json:"names,omitempty"`
	TTL   time.Duration `json:"ttl,omitempty"`
}

// MarshalJSON loses no octet of an answer.
func (a Answer) MarshalJSON() ([]byte, error) {
	k := kept{Addrs: a.Addrs, TTL: a.TTL}
	for _, text := range a.Texts {
		k.Texts = append(k.Texts, widened(text))
	}
	for _, exchange := range a.MX {
		k.MX = append(k.MX, Exchange{exchange.Pref, widened(exchange.Host)})
	}
	for _, name := range a.Names {
		k.Names = append(k.Names, widened(name))
	}
	return json.Marshal(k)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *Answer) UnmarshalJSON(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return err
	}
	*a = Answer{Addrs: k.Addrs, TTL: k.TTL}
	var wide bool
	narrow := func(s string) string {
		octets := make([]byte, 0, len(s))
		for _, r := range s {
			wide = wide || r > 0xff
			octets = append(octets, byte(r))
		}
		return string(octets)
	}
	for _, s := range k.Texts {
		a.Texts = append(a.Texts, narrow(s))
	}
	for _, exchange := range k.MX {
		a.MX = append(a.MX, Exchange{exchange.Pref, narrow(exchange.Host)})
	}
	for _, s := range k.Names {
		a.Names = append(a.Names, narrow(s))
	}
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
