package authres

import (
	"reflect"
	"strings"
	"testing"
)

// The examples of RFC 8601 appendix B, values only.
func TestExamplesOfTheStandard(t *testing.T) {
	for _, c := range []struct {
		value string
		want  Header
	}{
		{" example.org 1; none", Header{ID: "example.org"}},
		{" example.com;\r\n          spf=pass smtp.mailfrom=example.net", Header{"example.com", []Result{{"spf", "pass", "", []Prop{{"smtp.mailfrom", "example.net"}}}}}},
		{" example.com;\r\n          auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n          spf=pass smtp.mailfrom=example.net", Header{"example.com", []Result{
			{"auth", "pass", "", []Prop{{"smtp.auth", "sender@example.net"}}}, {"spf", "pass", "", []Prop{{"smtp.mailfrom", "example.net"}}}}}},
		{" example.com; dkim=pass reason=\"good signature\"\r\n            header.i=@mail-router.example.net;\r\n          dkim=fail reason=\"bad signature\"\r\n            header.i=@newyork.example.com", Header{"example.com", []Result{
			{"dkim", "pass", "good signature", []Prop{{"header.i", "@mail-router.example.net"}}}, {"dkim", "fail", "bad signature", []Prop{{"header.i", "@newyork.example.com"}}}}}},
		{" foo.example.net (foobar) 1 (baz);\r\n    dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n      policy (A dot can go here) . (like that) expired\r\n      (this surprised me) = (as I wasn't expecting it) 1362471462", Header{"foo.example.net", []Result{
			{"dkim", "fail", "", []Prop{{"policy.expired", "1362471462"}}}}}},
	} {
		got, err := Parse(c.value)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\n\tgot  %+v %v\n\twant %+v", c.value, got, err, c.want)
		}
	}
}

func TestMalformedFieldsAreErrors(t *testing.T) {
	for _, value := range []string{"", ";", "a b; spf=pass", "a 2; spf=pass", "a; spf", "a; spf=", "a; =pass", "a; spf=pass smtp", "a; spf=pass mailfrom=x", "a; (", "a; spf=\"pass", "\"\"; spf=pass", "\"\r\"; spf=pass",
		"a; spf=pass" + strings.Repeat(" a.b=c", MaxProps+1), "a" + strings.Repeat("; spf=pass", MaxResults+1)} {
		if got, err := Parse(value); err == nil {
			t.Errorf("%.40q: %+v", value, got)
		}
	}
	for _, value := range []string{"a; spf=pass" + strings.Repeat(" a.b=c", MaxProps), "a" + strings.Repeat("; spf=pass", MaxResults), "a; spf=pass;"} {
		if _, err := Parse(value); err != nil {
			t.Errorf("%.40q: %v", value, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"mx.example; spf=pass smtp.mailfrom=a@b.c; dkim=pass header.i=@b.c header.b=abc; dmarc=fail (p=reject) header.from=b.c",
		`a; dkim=pass reason="x\"y" header.i="q q"@b.c`, "a (c (d)) 1; none", ";;;==", "a;b=c d.e=f=g"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		header, err := Parse(value)
		if err == nil && header.ID == "" {
			t.Errorf("no authserv-id and no error")
		}
	})
}
