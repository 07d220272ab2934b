package attachment

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
)

// A message that Outlook saved ([MS-OXMSG]) is a compound file whose streams are
// properties. It is put together as a mail, with its texts, its files and the
// messages within it, and examined as one.

// openOutlook examines a saved message.
func (w *walker) openOutlook(a *Attachment, f file, c *cfb) error {
	o := outlook{w: w, f: f, c: c, children: map[int][]int{}, left: 2*int64(len(f.content)) + 64<<10}
	for i := range c.entries {
		if e := &c.entries[i]; e.kind != 0 && e.parent >= 0 {
			o.children[e.parent] = append(o.children[e.parent], i)
		}
	}
	msg, err := o.message(0, 0)
	if err != nil {
		return err
	}
	if err := w.packedMessage(a, f, msg); err != nil {
		return err
	}
	// What no tree reaches, or stands where no message has anything.
	for i := range c.entries {
		e := &c.entries[i]
		if e.kind != cfbStream || e.size == 0 || o.read[i] {
			continue
		}
		content, err := o.stream(i)
		if err != nil {
			return err
		}
		if isEICAR(content) || carries(sniff(content, "")) {
			if err := w.list(a, f, printable(e.name), content); err != nil {
				return err
			}
		}
	}
	if o.broken || c.broken {
		return MalformedDocument
	}
	return nil
}

type outlook struct {
	w        *walker
	f        file
	c        *cfb
	children map[int][]int
	read     map[int]bool
	left     int64 // bytes of streams that may still be read: each sector is of one stream
	broken   bool
}

// stream reads one stream and keeps it.
func (o *outlook) stream(i int) ([]byte, error) {
	if o.read == nil {
		o.read = map[int]bool{}
	}
	o.read[i] = true
	content, reason, err := o.w.stream(o.f, o.c.entries[i].size, o.c.open(i))
	if reason != "" {
		return nil, errStop
	}
	o.broken = o.broken || err != nil
	if o.left -= int64(len(content)); o.left < 0 {
		return nil, OverlappingMembers
	}
	return bytes.Clone(content), nil
}

// The properties that matter ([MS-OXPROPS]); behind each stands the type of its
// value: 001F and 001E are texts, 0102 are bytes.
const (
	outlookSubject  = "0037"
	outlookText     = "1000"
	outlookHTML     = "1013"
	outlookRTF      = "1009"
	outlookData     = "3701"
	outlookLongName = "3707"
	outlookName     = "3704"
	outlookMIME     = "370E"

	outlookProperty   = "__substg1.0_"
	outlookAttachment = "__attach_version1.0_#"
	outlookObject     = outlookProperty + outlookData + "000D" // a storage
)

// property finds a property among the entries of a storage, read as it is.
func (o *outlook) property(storage int, id string) (value []byte, kind string, err error) {
	for _, i := range o.children[storage] {
		name := o.c.entries[i].name
		if o.c.entries[i].kind == cfbStream && len(name) == len(outlookProperty)+8 && strings.HasPrefix(name, outlookProperty+id) {
			value, err = o.stream(i)
			return value, strings.ToUpper(name[len(name)-4:]), err
		}
	}
	return nil, "", nil
}

// text finds a property that is a text.
func (o *outlook) text(storage int, id string) (string, error) {
	value, kind, err := o.property(storage, id)
	if kind == "001F" {
		return utf16Name(value), err
	}
	return strings.TrimRight(string(value), "\x00"), err
}

// message reads the storage of a message (§2.2).
func (o *outlook) message(storage, depth int) (*mail.Message, error) {
	root := &mail.Part{Type: "multipart/mixed", Params: map[string]string{}}
	msg := &mail.Message{Root: root}
	var err error
	if msg.Subject, err = o.text(storage, outlookSubject); err != nil {
		return nil, err
	}
	add := func(p *mail.Part) {
		p.Path = strconv.Itoa(len(root.Children) + 1)
		p.Params = map[string]string{}
		root.Children = append(root.Children, p)
	}
	if plain, err := o.text(storage, outlookText); err != nil {
		return nil, err
	} else if plain != "" {
		add(&mail.Part{Type: "text/plain", Charset: "utf-8", Content: []byte(plain)})
	}
	html, kind, err := o.property(storage, outlookHTML)
	if err != nil {
		return nil, err
	}
	if kind == "001F" {
		html = []byte(utf16Name(html))
	}
	if len(html) > 0 {
		add(&mail.Part{Type: "text/html", Content: html})
	}
	rtf, _, err := o.property(storage, outlookRTF)
	if err != nil {
		return nil, err
	}
	if len(rtf) > 0 {
		add(&mail.Part{Type: "text/rtf", Disposition: "attachment", Filename: "body.rtf", Content: o.inflate(rtf)})
	}
	for _, i := range o.children[storage] {
		if e := &o.c.entries[i]; e.kind == cfbStream || !strings.HasPrefix(e.name, outlookAttachment) {
			continue
		}
		part, err := o.attachment(i, depth)
		if err != nil {
			return nil, err
		}
		add(part)
	}
	return msg, nil
}

// attachment reads the storage of an attachment (§2.2.2).
func (o *outlook) attachment(storage, depth int) (*mail.Part, error) {
	part := &mail.Part{Type: octetStream, Disposition: "attachment"}
	var err error
	for _, id := range []string{outlookLongName, outlookName} {
		if part.Filename == "" {
			if part.Filename, err = o.text(storage, id); err != nil {
				return nil, err
			}
		}
	}
	declared, err := o.text(storage, outlookMIME)
	if err != nil {
		return nil, err
	}
	if strings.Contains(declared, "/") {
		part.Type = strings.ToLower(declared)
	}
	if strings.HasPrefix(part.Type, "multipart/") {
		part.Type = octetStream // an attachment holds a file
	}
	for _, i := range o.children[storage] {
		e := &o.c.entries[i]
		if e.kind == cfbStream || !strings.EqualFold(e.name, outlookObject) {
			continue
		}
		if depth >= o.w.options.Limits.Depth {
			return nil, DepthLimit
		}
		part.Type = "message/rfc822"
		part.Message, err = o.message(i, depth+1)
		return part, err
	}
	part.Content, _, err = o.property(storage, outlookData)
	if part.Content == nil {
		part.Content = []byte{}
	}
	return part, err
}

// rtfSeed is what every packed text begins with ([MS-OXRTFCP] §2.1.2.1).
const rtfSeed = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` +
	"\r\n" + `\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// inflate unpacks Rich Text (§2.2); what is of another kind is given as it is.
func (o *outlook) inflate(b []byte) []byte {
	if len(b) < 16 {
		return b
	}
	packed := b[16:]
	switch string(b[8:12]) {
	case "MELA":
		return packed
	case "LZFu":
	default:
		return b
	}
	var window [4096]byte
	at := copy(window[:], rtfSeed)
	var out []byte
	put := func(c byte) {
		out = append(out, c)
		window[at] = c
		at = (at + 1) % len(window)
	}
	for len(packed) > 0 {
		flags := packed[0]
		packed = packed[1:]
		for bit := range 8 {
			if flags>>bit&1 == 0 {
				if len(packed) == 0 {
					return out
				}
				put(packed[0])
				packed = packed[1:]
				continue
			}
			if len(packed) < 2 {
				return out
			}
			from, length := int(packed[0])<<4|int(packed[1])>>4, int(packed[1]&0x0f)+2
			packed = packed[2:]
			if from == at {
				return out
			}
			for range length {
				put(window[from])
				from = (from + 1) % len(window)
			}
		}
	}
	return out
}
