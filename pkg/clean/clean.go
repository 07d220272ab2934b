// Package clean turns HTML and plain text that a stranger wrote into something
// that is safe and pleasant to read. HTML is tokenised by the WHATWG rules, as
// golang.org/x/net/html reads them, everything that is not on an allow-list is
// left out, and what remains is written anew: no comments, no foreign content, no raw-text
// elements, every character escaped, every element closed. Because the output
// holds nothing but plain elements, no way of parsing it again brings back what
// was taken out. It fetches nothing, runs nothing and does not judge a sender.
//
// Cleaning what is already clean changes nothing, given the same Options.
package clean

// Limits that hold where Options leaves a field at zero.
const (
	DefaultMaxInput    = 8 << 20 // bytes of HTML that are read
	DefaultMaxDepth    = 100     // open elements
	DefaultMaxElements = 50_000  // elements written
)

// Options say what the input may refer to and how far it is read.
type Options struct {
	// Images maps a content id (without "cid:" and angle brackets) to what
	// stands for that image: a data: URL of a raster type, or an absolute path
	// of our own. The pixels behind it must be ours, never the sender's bytes.
	Images map[string]string

	MaxInput    int // bytes; what follows is left out and Result.Truncated set
	MaxDepth    int // deeper elements are left out, their text stays
	MaxElements int // further elements are left out, their text stays
}

// A Result is a clean document and the account of what it lost.
type Result struct {
	HTML      string
	Removed   Removed
	Links     []Link
	Trackers  []string // names of known trackers, and "pixel" for unnamed ones; each once
	Hidden    Hidden
	Truncated bool
}

// Hidden tells of words that the author's styles would have kept from being seen.
// They stay, where they stood, and bear the class ClassHidden.
type Hidden struct {
	Letters int  // letters and digits
	Grave   bool // more than a newsletter's words for the list of mails, which come first of all
}

// Removed counts what was left out.
type Removed struct {
	Active   int // scripts, event handlers, forms, frames, plug-ins, foreign content, script URLs
	Remote   int // things that would have been fetched, trackers among them
	Trackers int // of Remote, those whose only use is to tell that the mail was read
	Other    int // style sheets, unusable links, embedded data
}

// A Link is one link that stayed.
type Link struct {
	URL      string   // http, https or mailto, as it was written out
	Host     string   // the host it leads to, ASCII form; the domain of a mailto
	Via      string   // the redirector that it leads through to Host, "" for none
	Text     string   // its visible text, shortened
	Claimed  string   // the host that the text names, "" for none
	Mismatch bool     // Claimed belongs to somebody else than Host
	Deceits  []Deceit // ways in which Host can be taken for another
}

// HTML cleans one HTML document or fragment. It never fails: what cannot be
// understood is text or nothing. Time is linear in the input.
func HTML(input string, options Options) Result {
	result, _ := clean(input, options, nil)
	return result
}

// Document is HTML and Text of one document in one reading. The text is that of
// what HTML reads, at most Options.MaxInput bytes of input.
func Document(input string, options Options) (Result, string) {
	return clean(input, options, newTextWriter(input))
}

func clean(input string, options Options, t *textWriter) (Result, string) {
	options = options.withDefaults()
	w := newWalker(options)
	if len(input) > options.MaxInput {
		input = cutText(input, options.MaxInput)
		w.result.Truncated = true
	}
	w.out.Grow(len(input))
	read(input, w, t)
	w.finish()
	w.result.HTML = w.out.String()
	if t == nil {
		return w.result, ""
	}
	return w.result, t.finish()
}

func (o Options) withDefaults() Options {
	if o.MaxInput <= 0 {
		o.MaxInput = DefaultMaxInput
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = DefaultMaxDepth
	}
	if o.MaxElements <= 0 {
		o.MaxElements = DefaultMaxElements
	}
	return o
}
