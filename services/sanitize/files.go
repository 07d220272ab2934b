package sanitize

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clean"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/picture"
	"github.com/postern-mail/postern/pkg/preview"
)

// An Attachment is a file that passed. Images are drawn anew, so that what is
// looked at is our pixels; other files are as they came, for download only.
type Attachment struct {
	Path      string
	Name      string // safe and masked
	Type      string // what its bytes are; "application/octet-stream" where nobody knows
	Size      int64  // of Content
	Content   []byte
	ContentID string // of an image that stands in the HTML; "" for others
	Drawn     bool   // Content is an image that we drew and may be shown
	Look      Look
	Pages     []preview.Picture // of a document that was drawn
	Text      string            // of a file that is shown as text, masked
	Reasons   []attachment.Reason
}

// A Withheld is a file that the agent may know of and not have.
type Withheld struct {
	Path    string
	Name    string // safe and masked
	Type    string
	Size    int64
	Verdict attachment.Verdict
	Reasons []attachment.Reason
}

// attachments sorts the files of a mail by what the report says of them.
func (r *renderer) attachments() {
	r.images = map[string]string{}
	r.saysWords = sync.OnceValue(func() bool { return slices.ContainsFunc(r.sections, r.hasWords) })
	said := map[string]*attachment.Attachment{}
	for i := range r.report.Attachments {
		a := &r.report.Attachments[i]
		if _, twice := said[a.Path]; twice { // one path, two files: neither is known
			said[a.Path] = nil
			continue
		}
		said[a.Path] = a
	}
	for _, p := range r.files {
		r.tellOutlook(p)
		r.sort(p, said[p.Path])
	}
}

// sort puts one file where what the report says of it puts it.
func (r *renderer) sort(p *mail.Part, a *attachment.Attachment) {
	name := r.maskedName(SafeName(p.Filename, p.Path, p.Type))
	if a == nil || a.Size != int64(len(content(p))) {
		r.view.Withheld = append(r.view.Withheld, Withheld{p.Path, name, clean.Line(p.Type), int64(len(content(p))), attachment.Error, []attachment.Reason{attachment.NotExamined}})
		return
	}
	if packed := r.packed(p, a); len(packed) > 0 {
		if p.Origin == "" {
			r.tell(p)
		}
		for _, file := range packed {
			r.sort(file.part, file.said)
		}
		return
	}
	if a.Verdict != attachment.Clean {
		r.view.Withheld = append(r.view.Withheld, Withheld{p.Path, name, shownType(a), a.Size, a.Verdict, why(a)})
		return
	}
	r.pass(p, a, name)
}

// why gives all that speaks against a file, and against what is packed in it, each once.
func why(a *attachment.Attachment) []attachment.Reason {
	reasons := slices.Clone(a.Reasons)
	for i := range a.Children {
		for _, reason := range why(&a.Children[i]) {
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
	}
	return reasons
}

// A packedFile is a file within another one, and what the report says of it.
type packedFile struct {
	part *mail.Part
	said *attachment.Attachment
}

// packed gives the files in a winmail.dat, which nothing but Outlook opens: each is judged by
// itself, like files side by side in a mail. It gives none where something is said of the
// winmail.dat itself, or the report does not tell of each file: then it is one file.
func (r *renderer) packed(p *mail.Part, a *attachment.Attachment) (files []packedFile) {
	if a.Verdict != attachment.Clean && len(a.Reasons) > 0 {
		return nil
	}
	told := map[string]*attachment.Attachment{}
	for i := range a.Children {
		told[a.Children[i].Path] = &a.Children[i]
	}
	within := p.Origin != "" // a message in the message: its words are no words of this one
	for _, child := range p.Children {
		switch {
		case child.Origin != "tnef" || told[child.Path] == nil || len(told) != len(a.Children) || len(told) != len(p.Children):
			return nil
		case within, told[child.Path].Verdict != attachment.Clean:
			files = append(files, packedFile{child, told[child.Path]})
		case isOutlookText(child), isOutlookRich(child) && (len(r.outlook) > 0 || r.saysWords()):
			// The words of the mail, which the ticket shows; as RTF they are a file where it shows none.
		default:
			files = append(files, packedFile{child, told[child.Path]})
		}
	}
	return files
}

// maskedName masks the name of a file. An extension can hide the end of a value
// ("erika at example dot org.csv"), so what stands before it is looked at, too.
func (r *renderer) maskedName(name string) string {
	if found := r.finder.Find(name); len(found) > 0 {
		return r.values.mask(name, found)
	}
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		return r.masked(name[:dot]) + name[dot:]
	}
	return name
}

// content is what the examination looked at.
func content(p *mail.Part) []byte {
	if p.Content != nil {
		return p.Content
	}
	return p.RawBody
}

func shownType(a *attachment.Attachment) string {
	if a.DetectedType != "" {
		return clean.Line(a.DetectedType)
	}
	return "application/octet-stream"
}

func (r *renderer) pass(p *mail.Part, a *attachment.Attachment, name string) {
	r.tell(p)
	passed := Attachment{Path: p.Path, Name: name, Type: shownType(a), Content: content(p), Reasons: a.Reasons}
	drawn, err := r.redraw(passed.Content)
	switch {
	case err == nil:
		passed.Content, passed.Type, passed.Drawn, passed.Look = drawn.Content, drawn.Type, true, LookPicture
		passed.Name = withExtension(name, drawn.Type)
		if p.ContentID != "" {
			r.inline(p.ContentID, &passed)
		}
	case !errors.Is(err, picture.ErrNone) && !errors.Is(err, picture.ErrLarge) || !r.look(p, &passed):
		r.unknown(passed)
		return
	}
	passed.Size = int64(len(passed.Content))
	r.view.Attachments = append(r.view.Attachments, passed)
}

// maxName bounds the bytes of a file name.
const maxName = 120

// SafeName makes a file name that no system takes for anything but a name: no
// folders, no controls, nothing invisible, no leading dot, none of the names
// that Windows keeps for devices.
func SafeName(name, path, declared string) string {
	judged, made := attachment.Extension(name), false
	name = clean.Line(name)
	if at := strings.LastIndexAny(name, `/\`); at >= 0 {
		name = name[at+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"|?*%;`, r):
			return '_'
		case attachment.Vanishes(r):
			return -1
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimLeft(name, ". _"), ". ")
	stem, extension := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 && len(name)-dot <= 12 {
		stem, extension = name[:dot], name[dot:]
	}
	stem = clean.Cut(strings.TrimRight(stem, ". "), maxName-len(extension))
	if strings.Trim(stem, "_") == "" {
		made = true
		stem = "attachment " + strings.NewReplacer("/", "-", "#", "-").Replace(path)
		if extension == "" && declared == "message/rfc822" {
			extension = ".eml"
		}
	}
	switch strings.ToLower(strings.SplitN(stem, ".", 2)[0]) {
	case "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
		"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9":
		stem = "_" + stem
	}
	if safe := stem + extension; made || attachment.Extension(safe) == judged {
		return safe
	}
	return stem + extension + "_" // what was examined as another kind does not become one here
}

// withExtension gives a name the extension of what the file now is.
func withExtension(name, kind string) string {
	want := ".png"
	if kind == "image/jpeg" {
		want = ".jpg"
	}
	lower := strings.ToLower(name)
	if strings.HasSuffix(lower, want) || want == ".jpg" && strings.HasSuffix(lower, ".jpeg") {
		return name
	}
	if dot := strings.LastIndexByte(name, '.'); dot > 0 && len(name)-dot <= 6 {
		name = name[:dot]
	}
	return name + want
}
