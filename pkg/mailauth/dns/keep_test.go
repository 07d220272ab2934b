package dns

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func TestAnAnswerIsKeptOctetByOctet(t *testing.T) {
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	answer := Answer{
		Texts: []string{"v=spf1 -all", string(all), "größer", ""}, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		MX: []Exchange{{10, "mx\xff.example"}}, Names: []string{"host\x80.example"}, TTL: 5 * time.Minute,
	}
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var read Answer
	if err := json.Unmarshal(text, &read); err != nil || !reflect.DeepEqual(read, answer) {
		t.Errorf("%+v, %v", read, err)
	}
	if err := json.Unmarshal([]byte(`{"texts":["Ā"]}`), &read); err == nil {
		t.Error("a character that is no octet was read")
	}
}
