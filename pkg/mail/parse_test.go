package mail_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

func outline(m *mail.Message) string {
	var out []string
	m.Walk(func(p *mail.Part) { out = append(out, p.Path+"="+p.Type) })
	return strings.Join(out, " ")
}

func hasDefect(m *mail.Message, code string) bool {
	return slices.ContainsFunc(m.Defects, func(d mail.Defect) bool { return d.Code == code })
}

// RFC 9051 §6.4.5 prints this tree as its example of section numbers.
func TestPartsAreNumberedAsInTheExampleOfRFC9051(t *testing.T) {
	raw := crlf(`From: a@example.com
Content-Type: multipart/mixed; boundary=a

--a
Content-Type: text/plain

one
--a
Content-Type: application/octet-stream

two
--a
Content-Type: message/rfc822

Subject: three
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

three one
--b
Content-Type: application/octet-stream

three two
--b--
--a
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: image/gif

four one
--c
Content-Type: message/rfc822

Subject: four two
Content-Type: multipart/mixed; boundary=d

--d
Content-Type: text/plain

four two one
--d
Content-Type: multipart/alternative; boundary=e

--e
Content-Type: text/plain

four two two one
--e
Content-Type: text/richtext

four two two two
--e--
--d--
--c--
--a--
`)
	m := mail.Parse(raw, mail.Limits{})
	want := "=multipart/mixed 1=text/plain 2=application/octet-stream 3=message/rfc822 3=multipart/mixed 3.1=text/plain " +
		"3.2=application/octet-stream 4=multipart/mixed 4.1=image/gif 4.2=message/rfc822 4.2=multipart/mixed 4.2.1=text/plain " +
		"4.2.2=multipart/alternative 4.2.2.1=text/plain 4.2.2.2=text/richtext"
	if got := outline(m); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if codes := ambiguities(m); len(codes) > 0 || len(m.Defects) != 0 && !onlyCodes(m, "missing_date", "missing_from") {
		t.Errorf("ambiguous %v, defects %v", codes, m.Defects)
	}
	m.Walk(func(p *mail.Part) {
		if p.Type == "text/plain" && p.Path == "4.2.2.1" && string(p.Content) != "four two two one" {
			t.Errorf("content %q", p.Content)
		}
	})
}

func onlyCodes(m *mail.Message, codes ...string) bool {
	return !slices.ContainsFunc(m.Defects, func(d mail.Defect) bool { return !slices.Contains(codes, d.Code) })
}

func TestTheOnlyPartOfAnEmbeddedMessageIsNumberOneBelowIt(t *testing.T) {
	m := mail.Parse(crlf("Content-Type: message/rfc822\n\nSubject: inner\n\nhello\n"), mail.Limits{})
	if got, want := outline(m), "1=message/rfc822 1.1=text/plain"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if m.Root.Message.Subject != "inner" {
		t.Errorf("subject %q", m.Root.Message.Subject)
	}
}

func TestBrokenMessagesStillGiveTheirParts(t *testing.T) {
	const head = "From: a@example.com\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
	for _, c := range []struct{ name, raw, outline, text, defect string }{
		{"nothing", "", "1=text/plain", "", "missing_from"},
		{"text without a header", "hello there\nbye\n", "1=text/plain", "hello there\nbye\n", "no_header"},
		{"an mbox separator", "From a@b Mon Jan 1 00:00:00 2024\n" + head + "\nhi\n", "1=text/plain", "hi\n", "mbox_from_line"},
		{"a quoted mbox separator", ">From a@b Mon Jan 1 00:00:00 2024\n" + head + "\nhi\n", "1=text/plain", "hi\n", "mbox_from_line"},
		{"no blank line", head + "hello you\n\nmore\n", "1=text/plain", "hello you\n\nmore\n", "missing_blank_line"},
		{"CR for line ends", strings.ReplaceAll(head+"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b--\n", "\n", "\r"), "=multipart/mixed 1=text/plain", "hi", "bare_cr"},
		{"CR CR LF for line ends", strings.ReplaceAll(head+"\nhi\nyou\n", "\n", "\r\r\n"), "1=text/plain", "hi\nyou\n", ""},
		{"a byte order mark", "\xef\xbb\xbf" + head + "\nhi\n", "1=text/plain", "hi\n", "byte_order_mark"},
		{"no close delimiter", head + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n", "=multipart/mixed 1=text/plain 2=text/plain", "onetwo\n", "unterminated_multipart"},
		{"an inner multipart without its end", head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--\n",
			"=multipart/mixed 1=multipart/alternative 1.1=text/plain 2=text/plain", "onetwo", "unterminated_multipart"},
		{"no boundary parameter", head + "Content-Type: multipart/mixed\n\n--b\nContent-Type: text/plain\n\none\n--b--\n", "=multipart/mixed 1=text/plain", "one", "missing_boundary"},
		{"a boundary that never comes", head + "Content-Type: multipart/mixed; boundary=b\n\nhello\n", "=multipart/mixed 1=text/plain", "hello\n", "no_parts_found"},
		{"an unknown encoding", head + "Content-Transfer-Encoding: rot13\n\nhello\n", "1=text/plain", "hello\n", "unknown_encoding"},
		{"base64 cut short", head + "Content-Transfer-Encoding: base64\n\naGVsbG8gd29ybG\n", "1=text/plain", "hello worl", "base64_truncated"},
		{"bad quoted-printable", head + "Content-Transfer-Encoding: quoted-printable\n\n1=2 =XY=\n", "1=text/plain", "1=2 =XY", "bad_quoted_printable"},
		{"a part whose header never ends", head + "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n--b--\n", "=multipart/mixed 1=image/png", "", "header_without_body"},
		{"a type that is none", head + "Content-Type: ;;;=\n\nhi\n", "1=text/plain", "hi\n", "bad_content_type"},
		{"two From fields", "From: a@example.com\nFrom: b@example.com\n\nhi\n", "1=text/plain", "hi\n", "multiple_from"},
		{"a parameter that lost its folding", head + "Content-Type: multipart/mixed;\nboundary=\"b\"\n\n--b\n\nhi\n--b--\n", "=multipart/mixed 1=text/plain", "hi", "unfolded_parameter"},
		{"a digest", head + "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nhi\n--b--\n", "=multipart/digest 1=message/rfc822 1.1=text/plain", "hi", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mail.Parse([]byte(c.raw), mail.Limits{})
			wellFormed(t, c.name, []byte(c.raw), m)
			if got := outline(m); got != c.outline {
				t.Errorf("parts %s, want %s", got, c.outline)
			}
			var text strings.Builder
			m.Walk(func(p *mail.Part) {
				if p.Type == "text/plain" {
					s, _ := p.Text()
					text.WriteString(s)
				}
			})
			if text.String() != c.text {
				t.Errorf("text %q, want %q", text.String(), c.text)
			}
			if c.defect != "" && !hasDefect(m, c.defect) {
				t.Errorf("defects %v, want %s", m.Defects, c.defect)
			}
		})
	}
}

func TestSeveralFromFieldsGiveAllTheirAddresses(t *testing.T) {
	m := mail.Parse(crlf("From: a@example.com\nFrom: b@example.com, c@example.com\n\n"), mail.Limits{})
	if len(m.From) != 3 || m.From[2].Addr != "c@example.com" {
		t.Errorf("from %v", m.From)
	}
}

// Each case is one that published work on evading mail scanners describes: two
// readers take the same bytes for different parts.
func TestWhatTwoReadersMayReadDifferentlyIsAmbiguous(t *testing.T) {
	multi := func(header, body string) string {
		return "From: a@example.com\nContent-Type: multipart/mixed; boundary=\"bound\"\n\n--bound\n" + header + "\n\n" + body + "\n--bound--\n"
	}
	for _, c := range []struct{ code, raw string }{
		{"conflicting_content_type", multi("Content-Type: text/plain\nContent-Type: application/zip", "x")},
		{"duplicate_content_type", multi("Content-Type: text/plain\nContent-Type: text/plain", "x")},
		{"conflicting_content_transfer_encoding", multi("Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit", "aGk=")},
		{"conflicting_content_disposition", multi("Content-Disposition: inline\nContent-Disposition: attachment; filename=a.exe", "x")},
		{"conflicting_filename", multi("Content-Disposition: attachment; filename=\"a.txt\"; filename*=utf-8''a.exe", "x")},
		{"conflicting_filename", multi("Content-Type: text/plain; name=a.exe\nContent-Disposition: attachment; filename=\"a.txt\"", "x")},
		{"conflicting_filename", multi("Content-Disposition: attachment; filename=\"a.txt\"; filename=\"a.exe\"", "x")},
		{"odd_filename", multi("Content-Disposition: attachment; filename=\"a.txt\".exe", "x")},
		{"odd_filename", multi("Content-Disposition: attachment; filename=a.txt b.exe", "x")},
		{"space_before_colon", multi("Content-Type : application/zip", "x")},
		{"header_line_without_colon", multi("junk\nContent-Type: application/zip", "x")},
		{"nul_in_header", multi("Content-Type: text/plain\x00; name=a.exe", "x")},
		{"bare_cr_in_header", multi("X: y\rContent-Type: application/zip", "x")},
		{"blank_line_with_spaces", multi("X: y\n \nContent-Type: application/zip", "x")},
		{"comment_in_content_type", multi("Content-Type: application/(x)zip", "x")},
		{"comment_in_content_transfer_encoding", multi("Content-Transfer-Encoding: (7bit) base64", "aGk=")},
		{"base64_bad_characters", multi("Content-Transfer-Encoding: base64", "aG*k=")},
		{"base64_data_after_padding", multi("Content-Transfer-Encoding: base64", "aGk=aGk=")},
		{"unknown_encoding", multi("Content-Type: application/zip\nContent-Transfer-Encoding: base65", "x")},
		{"unknown_encoding", multi("Content-Transfer-Encoding: base-64", "aGk=")},
		{"encoded_multipart", multi("Content-Type: multipart/mixed; boundary=in\nContent-Transfer-Encoding: base64", "--in\n\nhi\n--in--")},
		{"encoded_message", multi("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", "U3ViamVjdDogeAoKaGk=")},
		{"same_boundary", multi("Content-Type: multipart/mixed; boundary=bound", "--bound\n\nhi\n--bound--")},
		{"prefix_boundary", multi("Content-Type: multipart/mixed; boundary=bound2", "--bound2\n\nhi\n--bound2--")},
		{"boundary_with_trailing_text", multi("", "x\n--bound extra\nContent-Type: application/zip\n\nPK")},
		{"part_after_close", multi("", "x\n--bound--\n\n--bound\nContent-Type: application/zip\n\nPK")},
		{"odd_boundary", "Content-Type: multipart/mixed; boundary=\"bo\\und\"\n\n--bound\n\nx\n--bound--\n"},
		{"odd_boundary", "Content-Type: multipart/mixed; boundary=\"bou\n nd\"\n\n--bou nd\n\nx\n--bou nd--\n"},
		{"odd_boundary", "Content-Type: multipart/mixed; boundary=bo und\n\n--bo und\n\nx\n--bo und--\n"},
		{"odd_boundary", "Content-Type: multipart/mixed; boundary=bound(x)\n\n--bound\n\nx\n--bound--\n"},
		{"conflicting_boundary", "Content-Type: multipart/mixed; boundary=one; boundary=two\n\n--one\n\nx\n--one--\n"},
		{"conflicting_boundary", "Content-Type: multipart/mixed; boundary=one; boundary*=us-ascii''two\n\n--two\n\nx\n--two--\n"},
		{"missing_boundary", "Content-Type: multipart/mixed\n\n--one\nContent-Type: text/plain\n\nx\n--one--\n"},
		{"no_parts_found", "Content-Type: multipart/mixed; boundary=one\n\n--two\n\nx\n--two--\n"},
		{"bare_cr_boundary", multi("", "x\r--bound\rContent-Type: application/zip\r\rPK")},
		{"header_after_body", multi("X: y\njunk\nNot-Known: z\nContent-Type: application/zip", "x")},
		{"header_after_body", multi("X: y\n \nNot-Known: z\nContent-Type: application/zip", "x")},
		{"content_outside_parts", "Content-Type: multipart/mixed; boundary=b\n\nbegin 644 a.exe\n#0V%T\n`\nend\n--b\n\nx\n--b--\n"},
		{"content_outside_parts", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n\n--c\nContent-Type: application/zip\n\nPK\n"},
		{"bad_content_type", multi("Content-Type: application\\zip", "x")},
		{"leading_blank_line", "\nFrom: a@example.com\nContent-Type: application/zip\n\nPK"},
		{"unfolded_parameter", multi("Content-Disposition: attachment;\nfilename=\"a.exe\"", "x")},
	} {
		t.Run(c.code, func(t *testing.T) {
			m := mail.Parse([]byte(c.raw), mail.Limits{})
			if codes := ambiguities(m); !slices.Contains(codes, c.code) {
				t.Errorf("ambiguous %v in %s", codes, outline(m))
			}
			if !hasDefect(m, c.code) {
				t.Errorf("defects %v", m.Defects)
			}
			wellFormed(t, c.code, []byte(c.raw), m)
		})
	}
}

func TestOrdinarySloppinessIsNotAmbiguous(t *testing.T) {
	for name, raw := range map[string]string{
		"an ASCII name beside the real one":  "Content-Type: application/pdf; name=\"Uebersicht.pdf\"\nContent-Disposition: attachment; filename=\"_bersicht.pdf\"; filename*=UTF-8''%C3%9Cbersicht.pdf\n\nx",
		"an encoded word beside RFC 2231":    "Content-Disposition: attachment; filename=\"=?utf-8?Q?=C3=9C.pdf?=\"; filename*=UTF-8''%C3%9C.pdf\n\nx",
		"an unquoted name with blanks":       "Content-Disposition: attachment; filename=my report.pdf\n\nx",
		"an unquoted boundary with equals":   "Content-Type: multipart/mixed; boundary=----=_Part_1\n\n------=_Part_1\n\nx\n------=_Part_1--\n",
		"a boundary that Eudora lengthens":   "Content-Type: multipart/mixed; boundary=\"=_1==_\"\n\n--=_1==_\nContent-Type: multipart/alternative; boundary=\"=_1==_.ALT\"\n\n--=_1==_.ALT\n\nx\n--=_1==_.ALT--\n--=_1==_--\n",
		"white space after a boundary":       "Content-Type: multipart/mixed; boundary=b\n\n--b  \n\nx\n--b-- \t\n",
		"a comment after a charset":          "Content-Type: text/plain; charset=us-ascii (Plain text)\n\nx",
		"a missing semicolon":                "Content-Type: text/plain charset=utf-8\n\nx",
		"white space in base64":              "Content-Transfer-Encoding: base64\n\naG Vs\n\tbG8=\n\n",
		"an encoding in capitals":            "Content-Transfer-Encoding: BASE64\n\naGk=\n",
		"a long boundary":                    "Content-Type: multipart/mixed; boundary=" + strings.Repeat("b", 90) + "\n\n--" + strings.Repeat("b", 90) + "\n\nx\n--" + strings.Repeat("b", 90) + "--\n",
		"a multipart without anything in it": "Content-Type: multipart/mixed; boundary=b\n\n",
		"an encoded message of RFC 6532":     "Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKaGk=",
	} {
		t.Run(name, func(t *testing.T) {
			m := mail.Parse([]byte("From: a@example.com\n"+raw), mail.Limits{})
			if codes := ambiguities(m); len(codes) > 0 {
				t.Errorf("ambiguous %v", codes)
			}
		})
	}
}

func TestEveryLimitHoldsAtItAndTellsOnePastIt(t *testing.T) {
	nested := func(depth int) string {
		var out strings.Builder
		for i := range depth {
			fmt.Fprintf(&out, "Content-Type: multipart/mixed; boundary=b%d.\n\n--b%d.\n", i, i)
		}
		return out.String() + "\nx\n"
	}
	flat := func(parts int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", parts) + "--b--\n"
	}
	for _, c := range []struct {
		name string
		lim  mail.Limits
		make func(n int) string
		n    int
		code string
	}{
		{"depth", mail.Limits{Depth: 4}, nested, 4, "depth_limit"},
		{"parts", mail.Limits{Parts: 6}, flat, 5, "part_limit"}, // and the container
		{"fields", mail.Limits{HeaderFields: 7}, func(n int) string { return strings.Repeat("X: y\n", n) + "\nx\n" }, 7, "header_limit"},
		{"all fields", mail.Limits{TotalFields: 7}, func(n int) string { return strings.Repeat("X: y\n", n) + "\nx\n" }, 7, "header_limit"},
		{"header bytes", mail.Limits{HeaderBytes: 100}, func(n int) string { return "X: " + strings.Repeat("y", n-4) + "\n\nx\n" }, 100, "header_limit"},
		{"line length", mail.Limits{LineLength: 80}, func(n int) string { return "X: y\n\n" + strings.Repeat("z", n) + "\r\n" }, 80, "long_line"},
		{"boundary", mail.Limits{Boundary: 10}, func(n int) string {
			b := strings.Repeat("b", n)
			return "Content-Type: multipart/mixed; boundary=" + b + "\n\n--" + b + "\n\nx\n--" + b + "--\n"
		}, 10, "boundary_limit"},
		{"parameters", mail.Limits{Params: 5}, func(n int) string { return "Content-Type: text/plain" + strings.Repeat("; a=b", n) + "\n\nx\n" }, 5, "parameter_limit"},
		{"addresses", mail.Limits{Addresses: 5}, func(n int) string { return "To: " + strings.Repeat("a@b, ", n) + "\n\nx\n" }, 5, "address_limit"},
		{"references", mail.Limits{References: 5}, func(n int) string { return "References: " + strings.Repeat("<a@b> ", n) + "\n\nx\n" }, 5, "reference_limit"},
		{"decoded bytes", mail.Limits{Decoded: 50}, func(n int) string {
			return "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("q", n-1)
		}, 50, "decoded_limit"},
		{"work", mail.Limits{Work: costOf(flat(20)).work}, flat, 20, "work_limit"},
		{"memory", mail.Limits{Memory: costOf(flat(20)).memory}, flat, 20, "memory_limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, past := []byte(c.make(c.n)), []byte(c.make(c.n+1))
			if m := mail.Parse(at, c.lim); hasDefect(m, c.code) {
				t.Errorf("at the limit: %v", m.Defects)
			}
			m := mail.Parse(past, c.lim)
			if !hasDefect(m, c.code) {
				t.Errorf("past the limit: %v", m.Defects)
			}
			wellFormed(t, c.name, past, m)
		})
	}
}

type cost struct{ work, memory int }

func costOf(raw string) (c cost) {
	c.work, c.memory = mail.Cost([]byte(raw), mail.Limits{})
	return c
}

// A budget that is spent closes what comes after it, and loses nothing.
func TestWhatABudgetClosesIsAmbiguousAndThere(t *testing.T) {
	raw := "From: a@example.com\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: application/zip\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n", 100) + "--b--\n"
	whole := costOf(raw)
	for name, c := range map[string]struct {
		lim  mail.Limits
		code string
	}{
		"work":   {mail.Limits{Work: whole.work / 2}, "work_limit"},
		"memory": {mail.Limits{Memory: whole.memory / 2}, "memory_limit"},
	} {
		m := mail.Parse([]byte(raw), c.lim)
		wellFormed(t, name, []byte(raw), m)
		n := len(m.Root.Children)
		if n < 10 || n > 80 {
			t.Fatalf("%s: %d parts", name, n)
		}
		last := m.Root.Children[n-1]
		if !slices.Contains(last.Ambiguous, c.code) || !slices.Contains(m.Root.Ambiguous, c.code) || !strings.HasSuffix(string(last.Content), "--b--\n") {
			t.Errorf("%s: last part %v %q", name, last.Ambiguous, last.Content[:20])
		}
		spentWork, spentMemory := mail.Cost([]byte(raw), c.lim)
		if spentWork > whole.work || spentMemory > whole.memory*6/10 {
			t.Errorf("%s: %d work, %d bytes", name, spentWork, spentMemory)
		}
	}
}

func TestWhatALimitClosesIsKeptAsItStands(t *testing.T) {
	raw := "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b\n\nthree\n--b--\n"
	m := mail.Parse([]byte(raw), mail.Limits{Parts: 2})
	last := m.Root.Children[len(m.Root.Children)-1]
	if len(m.Root.Children) != 2 || string(last.Content) != "\ntwo\n--b\n\nthree\n--b--\n" {
		t.Errorf("%s: %q", outline(m), last.Content)
	}
}

func TestUnpackedFilesHangBelowTheirText(t *testing.T) {
	// The POSIX page of uuencode encodes "Cat" as #0V%T.
	raw := "From: a@example.com\n\nbefore\nbegin 644 cat.txt\n#0V%T\n`\nend\nafter\n"
	m := mail.Parse([]byte(raw), mail.Limits{})
	if len(m.Root.Children) != 1 {
		t.Fatal(outline(m))
	}
	file := m.Root.Children[0]
	if file.Filename != "cat.txt" || string(file.Content) != "Cat" || file.Origin != "uuencode" || file.Path != "1#1" {
		t.Errorf("%+v", file)
	}
	if text, _ := m.Root.Text(); text != "before\nafter\n" {
		t.Errorf("text %q", text)
	}
}

func TestYencFilesAreDecoded(t *testing.T) {
	// yEnc adds 42 to each byte: "Cat" is 6d 8b 9e.
	raw := "From: a@example.com\nContent-Type: text/plain; charset=iso-8859-1\n\nhi\n=ybegin line=128 size=3 name=cat.txt\n\x6d\x8b\x9e\n=yend size=3\n"
	m := mail.Parse([]byte(raw), mail.Limits{})
	if len(m.Root.Children) != 1 || string(m.Root.Children[0].Content) != "Cat" || m.Root.Children[0].Filename != "cat.txt" {
		t.Fatalf("%s", outline(m))
	}
	if text, _ := m.Root.Text(); text != "hi\n" {
		t.Errorf("text %q", text)
	}
}

func TestWordsThatBeginAreNoFiles(t *testing.T) {
	raw := "From: a@example.com\n\nbegin 100 things\nIt takes some fifty-six letters to look like a line of it.\nbegin 5 minutes\nIT TAKES SOME FIFTY-SIX LETTERS TO LOOK LIKE A LINE OF IT.\nbegin the day\n=ybegin line=1 size=2\nsecret text that must stay\n"
	m := mail.Parse([]byte(raw), mail.Limits{})
	if text, _ := m.Root.Text(); len(m.Root.Children) != 0 || !strings.Contains(text, "secret text") {
		t.Errorf("%s %q", outline(m), text)
	}
}

func TestKindsFollowTheHeaders(t *testing.T) {
	for _, c := range []struct {
		kind mail.Kind
		raw  string
	}{
		{mail.Person, "From: a@example.com\nSubject: hello\n\nhi"},
		{mail.List, "From: a@example.com\nList-Id: <x.example.com>\n\nhi"},
		{mail.List, "From: a@example.com\nList-Unsubscribe: <mailto:x@example.com>\n\nhi"},
		{mail.AutoReply, "From: a@example.com\nAuto-Submitted: auto-replied\n\nhi"},
		{mail.Person, "From: a@example.com\nAuto-Submitted: no\n\nhi"},
		{mail.Bounce, "From: a@example.com\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nhi\n--b--"},
		{mail.Bounce, "Return-Path: <>\nFrom: MAILER-DAEMON@example.com\nSubject: hello\n\nhi"},
		{mail.Bounce, "From: System Administrator <x@example.com>\nSubject: Nicht zustellbar: hallo\n\nhi"},
		{mail.Person, "From: a@example.com\nSubject: Re: Undeliverable: hallo\n\nhi"},
		{mail.AutoReply, "From: shop@example.com\nAuto-Submitted: auto-generated\nSubject: Delivery notification for your parcel\n\nhi"},
		{mail.AutoReply, "Return-Path: <>\nFrom: a@example.com\nSubject: Automatic reply: hello\n\nhi"},
		{mail.Receipt, "From: a@example.com\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nhi\n--b--"},
		{mail.Report, "From: a@example.com\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nhi\n--b--"},
		{mail.Report, "From: a@example.com\nContent-Type: multipart/report; report-type=tlsrpt; boundary=b\n\n--b\n\nhi\n--b--"},
		{mail.Report, "From: a@example.com\nSubject: Report Domain: example.com Submitter: example.net Report-ID: <1>\nContent-Type: application/gzip\n\nhi"},
		{mail.Calendar, "From: a@example.com\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR"},
	} {
		if m := mail.Parse([]byte(c.raw), mail.Limits{}); m.Kind != c.kind {
			t.Errorf("%s, want %s: %q", m.Kind, c.kind, c.raw)
		}
	}
}
