package attachment

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
)

// A walker examines one mail.
type walker struct {
	ctx         context.Context
	options     Options
	budget      *budget
	scratch     [][]byte // one buffer a depth, reused by the members there
	unavailable error
	mail        *mail.Message
	books       *bookkeeper     // of the message whose parts are walked
	archive     bool            // whose texts a browser runs
	passwords   []string        // words of the mail, once they were needed
	also        []*mail.Message // within the mail, whose words count too
	locked      int             // things that no word opened
}

func newWalker(ctx context.Context, options Options) *walker {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	options.Limits = options.Limits.withDefaults()
	return &walker{ctx: ctx, options: options, books: books(&mail.Message{}), budget: newBudget(ctx, options.Limits, options.Clock)}
}

// A file is one thing to look at: a part of the mail or a member of a container.
type file struct {
	path     string
	name     string
	declared string // media type, "" where nothing declares one
	content  []byte // valid until the next file of the same depth is read
	depth    int
	sealed   bool // its members are packed so that the scanner cannot reach them
	opened   bool // what is in it is examined as parts of the mail
	unpacked bool // as a text: what was packed in it stands beside it
}

// beyondScanner are containers that clamd of Debian does not unpack: its members
// are shown to the second opinion one by one. Others it unpacks itself.
var beyondScanner = map[string]bool{
	"application/vnd.rar":    true,
	"application/zstd":       true,
	"application/x-lzma":     true,
	"application/pkcs7-mime": true,
}

// outline says what can be said of a file without opening it.
func (w *walker) outline(f file) Attachment {
	digest := sha256.Sum256(f.content)
	a := Attachment{
		Path:         f.path,
		Name:         f.name,
		DeclaredType: f.declared,
		DetectedType: sniff(f.content, extensionOf(f.name)),
		Size:         int64(len(f.content)),
		SHA256:       hex.EncodeToString(digest[:]),
		Reasons:      []Reason{},
		Children:     []Attachment{},
	}
	if sealed := sealedType(f.content, f.declared, extensionOf(f.name)); sealed != "" {
		a.DetectedType = sealed
	}
	if (a.DetectedType == "text/plain" || a.DetectedType == octetStream) && isWebArchive(f.name, f.declared) {
		a.DetectedType = "message/rfc822"
	}
	if isEICAR(f.content) {
		a.add(EICARTestFile)
	}
	if f.depth == 0 {
		a.add(nameReasons(strings.TrimRight(f.name, `/\`))...) // which is no folder
	} else {
		a.add(memberReasons(f.name)...)
	}
	return a
}

// look examines one file and all within it.
func (w *walker) look(f file) Attachment {
	a := w.outline(f)
	if r := familyReason(a.DetectedType); r != "" {
		a.add(r)
	}
	w.open(&a, f)
	if mismatched(extensionOf(f.name), f.declared, a.DetectedType) {
		a.add(TypeMismatch)
	}
	a.judge()
	return a
}

// open dispatches to the decoder of what the file is, and of what it is
// besides.
func (w *walker) open(a *Attachment, f file) {
	if len(f.content) == 0 {
		return
	}
	extension := extensionOf(f.name)
	if familyOf(a.DetectedType) == text && isTable(extension, f.declared) {
		if isSYLK(f.content) {
			w.run(a, f, w.openSYLK)
		} else {
			w.run(a, f, w.openTable)
		}
	} else if extension == "slk" {
		w.run(a, f, w.openSYLK)
	}
	if familyOf(a.DetectedType) == text && carriesFiles(f) {
		w.run(a, f, w.openTextFile)
	}
	if a.DetectedType != "application/pdf" && (extension == "pdf" || f.declared == "application/pdf") && bytes.Contains(f.content, []byte("obj")) && bytes.Contains(f.content, []byte("/Root")) {
		w.run(a, f, w.openPDF) // some readers need no more to know one by
	}
	if decode := w.decoder(a.DetectedType); decode != nil {
		w.run(a, f, decode)
	} else if unopened[a.DetectedType] || a.DetectedType == octetStream && claimsContainer(f) {
		a.add(UnsupportedContainer)
	} else if a.DetectedType == octetStream && isVolume(extension) {
		a.add(MissingVolume)
	}
	w.openAsNamed(a, f)
	w.openHidden(a, f)
}

// isVolume tells whether an extension is that of a later volume of an archive, whose
// bytes alone say nothing: ".002", ".z01", ".r00".
func isVolume(extension string) bool {
	if len(extension) != 3 || extension[1] < '0' || extension[1] > '9' || extension[2] < '0' || extension[2] > '9' {
		return false
	}
	return extension[0] >= '0' && extension[0] <= '9' || extension[0] == 'z' || extension[0] == 'r' || extension[0] == 'a'
}

// claimsContainer tells whether a name or a declaration promises a container. Its
// reader will try to open it, though its bytes tell us nothing.
func claimsContainer(f file) bool {
	for _, claimed := range []family{extensions[extensionOf(f.name)].family, familyOf(f.declared)} {
		if claimed == archive || claimed == office || claimed == diskImage || claimed == pdf {
			return true
		}
	}
	return false
}

// A decoder opens one container. It adds reasons and members to a; the error
// says that it could not get to the end, errStop that the budget ended it.
type decoder func(a *Attachment, f file) error

// decoder finds the decoder of a detected type, nil for data that holds nothing.
func (w *walker) decoder(mediaType string) decoder {
	switch mediaType {
	case "application/zip", "application/java-archive", "application/vnd.android.package-archive", "application/epub+zip",
		"application/vnd.google-earth.kmz", "application/vnd.ms-visio.drawing.main+xml", "application/vnd.sun.xml.calc":
		return w.openZip
	case "message/rfc822":
		return w.openMessage
	case "application/gzip":
		return w.openGzip
	case "application/x-bzip2":
		return w.openBzip2
	case "application/zstd":
		return w.openZstd
	case "application/x-xz":
		return w.openXZ
	case "application/x-lzma":
		return w.openLZMA
	case "application/x-tar":
		return w.openTar
	case "application/x-7z-compressed":
		return w.openSevenZip
	case "application/vnd.rar":
		return w.openRAR
	case "application/x-ole-storage", "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
		"application/vnd.ms-publisher", "application/vnd.ms-outlook", "application/x-ms-installer":
		return w.openOLE
	case "application/x-iso9660-image":
		return w.openISO
	case "application/vnd.ms-cab-compressed":
		return w.openCabinet
	case "application/x-arj":
		return w.openARJ
	case "application/x-lzh-compressed":
		return w.openLHA
	case "application/onenote":
		return w.openOneNote
	case "application/pdf":
		return w.openPDF
	case "text/rtf":
		return w.openRTF
	case "text/html", "application/xhtml+xml":
		return w.openWebpage
	case "image/svg+xml":
		return w.openDrawing
	case "text/xml":
		return w.openXML
	case "application/pgp-encrypted", "application/pkcs7-mime":
		return w.openSealed
	}
	if familyOf(mediaType) == picture && mediaType != "image/svg+xml" {
		return w.openPicture
	}
	if strings.HasPrefix(mediaType, "application/vnd.openxmlformats-") || strings.HasPrefix(mediaType, "application/vnd.oasis.opendocument.") {
		return w.openZip
	}
	return nil
}

// run runs one decoder under the budget and takes its failure as a verdict.
func (w *walker) run(a *Attachment, f file, decode decoder) {
	if f.depth >= w.options.Limits.Depth {
		a.add(DepthLimit)
		return
	}
	if r := w.budget.tick(); r != "" {
		a.add(r)
		return
	}
	err := guard(func() error { return decode(a, f) })
	var reason Reason
	switch {
	case err == nil:
	case errors.Is(err, errStop):
		a.add(w.budget.stopped())
	case errors.As(err, &reason):
		a.add(reason)
	case errors.Is(err, errPanic):
		a.add(DecoderFailed)
	case familyOf(a.DetectedType) == archive, familyOf(a.DetectedType) == program, familyOf(a.DetectedType) == diskImage:
		a.add(MalformedArchive)
	default:
		a.add(MalformedDocument)
	}
}

// Error makes a Reason an error, so that decoders return why they end.
func (r Reason) Error() string { return string(r) }

// member reads one member, looks at it and appends it to its container. The
// reader's error is a finding about the member, not about the walk: only
// errStop is returned, when a budget ends it.
func (w *walker) member(parent *Attachment, f file, name string, size int64, r io.Reader) (*Attachment, error) {
	if reason := w.budget.member(); reason != "" {
		return nil, errStop
	}
	child := file{path: childPath(f.path, len(parent.Children)+1), name: name, depth: f.depth + 1}
	content, reason, err := w.read(child.depth, size, r)
	child.content = content
	var a Attachment
	switch {
	case reason != "" || err != nil:
		a = unread(child)
		a.DetectedType = sniff(content, extensionOf(name))
		if isEICAR(content) {
			a.add(EICARTestFile)
		}
		if r := familyReason(a.DetectedType); r != "" {
			a.add(r)
		}
		a.add(readReason(reason, err))
		a.judge()
	default:
		a = w.look(child)
		if f.sealed || beyondScanner[parent.DetectedType] {
			w.ask(&a, content)
			a.judge()
		}
	}
	parent.Children = append(parent.Children, a)
	last := &parent.Children[len(parent.Children)-1]
	if w.budget.stopped() != "" {
		return last, errStop
	}
	return last, nil
}

// refuse lists a member that is not read, with the reason why.
func (w *walker) refuse(parent *Attachment, f file, name string, size int64, reasons ...Reason) error {
	if reason := w.budget.member(); reason != "" {
		return errStop
	}
	a := unread(file{path: childPath(f.path, len(parent.Children)+1), name: name, depth: f.depth + 1})
	a.Size = max(size, 0)
	a.add(reasons...)
	a.judge()
	parent.Children = append(parent.Children, a)
	return nil
}

// unread is the entry of a member whose bytes are not all known.
func unread(f file) Attachment {
	a := Attachment{Path: f.path, Name: f.name, Size: int64(len(f.content)), Reasons: []Reason{}, Children: []Attachment{}}
	a.add(memberReasons(f.name)...)
	return a
}

func readReason(reason Reason, err error) Reason {
	var said Reason
	switch {
	case reason != "":
		return reason
	case errors.As(err, &said):
		return said
	case errors.Is(err, errPanic):
		return DecoderFailed
	default:
		return MalformedArchive
	}
}

func childPath(parent string, n int) string {
	return parent + "/" + strconv.Itoa(n)
}

// read reads r to its end into the buffer of one depth, within the budget. The
// size is a hint that is not trusted. A reason says which limit ended it, an
// error what went wrong with r; the bytes read so far come with both. Of what says
// of itself that it is larger than allowed no more than the beginning is kept.
func (w *walker) read(depth int, size int64, r io.Reader) (content []byte, reason Reason, err error) {
	for len(w.scratch) <= depth {
		w.scratch = append(w.scratch, nil)
	}
	allowed, which := w.budget.allowed()
	buffer := w.scratch[depth][:0]
	// A size that is declared saves growing; past a megabyte it must be earned.
	if want := int(min(size, allowed, 1<<20)); want > cap(buffer) {
		buffer = make([]byte, 0, want)
	}
	var dropped int64
	err = guard(func() error {
		for {
			if reason = w.budget.tick(); reason != "" {
				return nil
			}
			if size > allowed && len(buffer) >= beginning {
				dropped += int64(len(buffer) - beginning/2)
				buffer = buffer[:beginning/2]
			}
			if len(buffer) == cap(buffer) {
				buffer = grow(buffer, size, allowed)
			}
			room := buffer[len(buffer):min(cap(buffer), len(buffer)+256<<10)]
			n, err := r.Read(room)
			if n < 0 || n > len(room) {
				return fmt.Errorf("read count: %w", errPanic)
			}
			buffer = buffer[:len(buffer)+n]
			w.budget.spend(int64(n))
			if dropped+int64(len(buffer)) > allowed || err == io.EOF && dropped > 0 {
				reason = which
				w.budget.exhaust(reason)
				return nil
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	w.scratch[depth] = buffer
	if dropped > 0 { // what stands behind it is from further on
		return buffer[:beginning/2], reason, err
	}
	return buffer, reason, err
}

// beginning is how much is held of a member that is not examined: half of it is kept.
const beginning = 2 << 20

// grow gives a full buffer more room: to its declared size once half of that
// has truly come, else four times as much, or twice where it is large, so that
// little is left behind.
func grow(buffer []byte, size, allowed int64) []byte {
	more := 4*int64(cap(buffer)) + 64<<10
	if len(buffer) >= 8<<20 {
		more = 2 * int64(cap(buffer))
	}
	if size > more && size <= 2*int64(cap(buffer))+64<<10 {
		more = size + 1 // room to see the end
	}
	more = min(more, allowed+1)
	more = max(more, int64(len(buffer))+1)
	bigger := make([]byte, len(buffer), more)
	copy(bigger, buffer)
	return bigger
}
