package attachment

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
)

// A found is one part that was examined; body texts are, but are not listed.
type found struct {
	Attachment
	listed bool
}

// message examines every leaf of a message.
func (w *walker) message(msg *mail.Message, depth int) []found {
	if msg == nil || msg.Root == nil {
		return nil
	}
	return w.part(msg.Root, depth, nil)
}

// part examines what one node of the tree holds. What is ambiguous about a
// container holds for its leaves too, because they may be cut elsewhere.
func (w *walker) part(p *mail.Part, depth int, inherited []string) []found {
	ambiguous := append(append([]string(nil), inherited...), p.Ambiguous...)
	if w.books.gaps[p] {
		ambiguous = append(ambiguous, string(UnaccountedBytes))
	}
	if !holdsParts(p) {
		return w.leaf(p, depth, ambiguous)
	}
	if outer := w.archive; isWebArchive(p.Filename, "") { // a saved page whose parts stand in the mail
		w.archive = true
		defer func() { w.archive = outer }()
	}
	var all []found
	for i, child := range p.Children {
		inside := w.part(child, depth, ambiguous)
		if p.Type == "multipart/encrypted" && i > 0 && len(child.Opened) == 0 && len(inside) > 0 {
			// RFC 1847 §2.2: whatever its bytes look like, nobody here read it.
			inside[0].add(EncryptedMessage)
			inside[0].judge()
		}
		all = append(all, inside...)
	}
	if len(all) == 0 && len(ambiguous) > 0 {
		// Nothing was found inside, but another reader might find something.
		all = append(all, found{Attachment: ambiguity(p, ambiguous)})
	}
	return all
}

// ambiguity stands for a container that seems to be empty.
func ambiguity(p *mail.Part, codes []string) Attachment {
	a := Attachment{Path: p.Path, DeclaredType: p.Type, Verdict: Ambiguous, Reasons: []Reason{}, Children: []Attachment{}}
	for _, code := range codes {
		a.add(Reason(code))
	}
	return a
}

// leaf examines one part that holds content: a file, a text or a message; and
// the files that were unpacked from it (uuencode, TNEF).
func (w *walker) leaf(p *mail.Part, depth int, ambiguous []string) []found {
	content := contentOf(p)
	if depth == 0 {
		w.budget.part(int64(len(content)))
	}
	f := file{path: p.Path, name: p.Filename, declared: p.Type, content: content, depth: depth, opened: len(p.Opened) > 0,
		unpacked: strings.HasPrefix(p.Type, "text/") && p.Type != "text/html"}
	body := isBody(p, content)
	var a Attachment
	switch {
	case p.Message != nil:
		a = w.embedded(p, f)
	case body:
		a = w.body(f)
		if w.archive {
			w.page(&a, f)
		}
		w.ask(&a, content)
	default:
		a = w.look(f)
		w.ask(&a, content)
	}
	if p.Filename == "" && !body {
		a.add(locationReasons(p.Header.Get("Content-Location"))...)
	}
	if isUnreadableCMS(p, a.DetectedType) {
		a.add(unreadableCMS(p))
	}
	switch p.Type { // RFC 2046 §5.2.2, §5.2.3
	case "message/partial":
		a.add(PartialMessage)
	case "message/external-body":
		a.add(ExternalBody)
	}
	for _, code := range ambiguous {
		a.add(Reason(code))
	}
	var unpacked []found
	if p.Message == nil {
		for _, child := range p.Children {
			unpacked = append(unpacked, w.part(child, depth, ambiguous)...)
		}
		if len(unpacked) > 0 || a.DetectedType == "application/vnd.ms-tnef" && len(p.Ambiguous) == 0 {
			// What we have no decoder for was opened with the mail; where it could
			// not be read to its end, the part is ambiguous.
			a.drop(UnsupportedContainer)
		}
	}
	if !body {
		for _, child := range unpacked {
			a.Children = append(a.Children, child.Attachment)
		}
		unpacked = nil
	}
	for _, opened := range p.Opened { // parts like those that came in the clear
		unpacked = append(unpacked, w.part(opened, depth, ambiguous)...)
	}
	if len(p.Opened) > 0 {
		a.drop(EncryptedMessage)
	}
	for _, code := range p.Unopened {
		a.add(Reason(code))
	}
	a.judge()
	w.books.examined(&a)
	return append([]found{{Attachment: a, listed: !body}}, unpacked...)
}

// isUnreadableCMS tells whether a part is declared as a message in S/MIME and its bytes are none,
// nor anything else that is known.
func isUnreadableCMS(p *mail.Part, detected string) bool {
	declared := p.Type == "application/pkcs7-mime" || p.Type == "application/x-pkcs7-mime"
	return declared && (detected == octetStream || familyOf(detected) == text)
}

// unreadableCMS is the reason of such a part, by what it is to be (RFC 8551 §3.2.2).
func unreadableCMS(p *mail.Part) Reason {
	switch strings.ToLower(p.Params["smime-type"]) {
	case "enveloped-data", "authenveloped-data":
		return DamagedMessage
	}
	return MalformedDocument
}

// locationReasons are those of the name that some readers take from where a part says it lies.
func locationReasons(location string) []Reason {
	path := location
	if _, address, ok := strings.Cut(location, "://"); ok {
		_, path, _ = strings.Cut(address, "/") // behind the host
	}
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if r := extensions[extensionOf(path)].reason; r != "" {
		return []Reason{r}
	}
	return nil
}

// isBody tells whether a part is the text that a mail shows, and no file.
func isBody(p *mail.Part, content []byte) bool {
	if p.Type != "text/plain" && p.Type != "text/html" && p.Type != "text/enriched" {
		return false
	}
	if p.Filename != "" || p.Disposition == "attachment" || p.Message != nil {
		return false
	}
	// Bytes that are no text at all are a file, whatever they are declared as.
	switch detected := sniff(content, ""); familyOf(detected) {
	case program, archive, pdf, office, diskImage, shortcut, picture, media:
		return detected == "image/svg+xml" || detected == "text/rtf"
	}
	return true
}

// body examines a text that is shown, sanitized: what it would do as a file
// means nothing here, but that it puts a file together says what the mail is. It is not listed, so it needs no digest.
func (w *walker) body(f file) Attachment {
	a := Attachment{Path: f.path, DeclaredType: f.declared, Size: int64(len(f.content)), Reasons: []Reason{}, Children: []Attachment{}}
	if isEICAR(f.content) {
		a.add(EICARTestFile)
	}
	if sealedType(f.content, f.declared, "") == "application/pgp-encrypted" || holdsPGPMessage(f.content) {
		a.add(EncryptedMessage)
	}
	if f.declared == "text/html" && bodySmuggles(f.content) {
		a.add(HTMLSmuggling)
	}
	return a
}

// embedded examines a message inside the message: its parts are its members.
func (w *walker) embedded(p *mail.Part, f file) Attachment {
	a := w.outline(f)
	a.DetectedType = "message/rfc822"
	w.readsWords(p.Message)
	outer := w.archive
	w.archive = outer || isWebArchive(f.name, f.declared)
	w.inside(&a, p.Message, f)
	w.archive = outer
	return a
}

// openMessage examines a file that is a message, such as a packed .eml.
func (w *walker) openMessage(a *Attachment, f file) error {
	return w.packedMessage(a, f, mail.Parse(f.content, mail.Limits{}))
}

// packedMessage examines a message that stands in a file, with books of its own.
func (w *walker) packedMessage(a *Attachment, f file, msg *mail.Message) error {
	before, outer, archive := len(a.Children), w.books, w.archive
	w.books, w.archive = books(msg), isWebArchive(f.name, f.declared)
	w.readsWords(msg)
	defer func() { w.books, w.archive = outer, archive }()
	w.inside(a, msg, f)
	for i := range a.Children[before:] {
		renumber(&a.Children[before+i], f.path)
	}
	if w.books.unexamined() {
		a.add(UnexaminedPart)
	}
	if w.books.account.Gap != 0 || len(w.books.gaps) > 0 {
		a.add(UnaccountedBytes)
	}
	return nil
}

// inside lists the parts of a message as members; its texts only where there is
// something to say of them.
func (w *walker) inside(a *Attachment, msg *mail.Message, f file) {
	if f.depth >= w.options.Limits.Depth {
		a.add(DepthLimit)
		w.books.refused(msg)
		return
	}
	for _, child := range w.message(msg, f.depth+1) {
		if reason := w.budget.member(); reason != "" {
			a.add(reason)
			return
		}
		if child.listed || child.Verdict != Clean {
			a.Children = append(a.Children, child.Attachment)
		}
	}
}

// renumber puts the path of the container in front of the section numbers of
// a message that was found inside a file.
func renumber(a *Attachment, prefix string) {
	if a.Path == "" {
		a.Path = strconv.Itoa(1)
	}
	a.Path = prefix + "/" + a.Path
	for i := range a.Children {
		renumber(&a.Children[i], prefix)
	}
}

// errContradiction: an opinion whose verdict and reason differ is none.
var errContradiction = errors.New("second opinion: verdict and reason disagree")

// ask adds the second opinion on a part.
func (w *walker) ask(a *Attachment, content []byte) {
	if w.options.SecondOpinion == nil {
		return
	}
	opinion, err := w.options.SecondOpinion.Scan(w.ctx, bytes.NewReader(content))
	switch {
	case err != nil:
		w.unavailable = err
		a.add(ScannerUnavailable)
	case opinion.Verdict == Clean:
	case opinion.Reason == "" || opinion.Reason.Verdict() != opinion.Verdict:
		w.unavailable = errContradiction
		a.add(ScannerUnavailable)
	default:
		a.add(opinion.Reason)
		a.Signature = opinion.Signature
	}
}
