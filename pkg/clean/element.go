package clean

// A role says how an element takes part in the structure.
type role uint8

const (
	inline    role = iota // phrasing: may be cut off by the end of a block
	block                 // ends an open paragraph
	item                  // li, dd, dt: ends its open sibling
	table                 // bounds the reach of end tags
	tableBody             // tbody, thead, tfoot
	tableRow
	tableCell
	tableHead // caption, colgroup
	void      // has no content and no end tag
)

// allowed holds every element that may be written, with its role. Elements that
// are not here lose their tags and keep their text.
var allowed = map[string]role{
	"a": inline, "abbr": inline, "acronym": inline, "b": inline, "bdi": inline,
	"big": inline, "cite": inline, "code": inline, "del": inline, "dfn": inline,
	"em": inline, "font": inline, "i": inline, "ins": inline, "kbd": inline,
	"mark": inline, "q": inline, "rp": inline, "rt": inline, "ruby": inline,
	"s": inline, "samp": inline, "small": inline, "span": inline, "strike": inline,
	"strong": inline, "sub": inline, "sup": inline, "tt": inline, "u": inline,
	"var": inline,

	"address": block, "article": block, "aside": block, "blockquote": block,
	"center": block, "details": block, "div": block, "dl": block, "figcaption": block,
	"figure": block, "footer": block, "h1": block, "h2": block, "h3": block,
	"h4": block, "h5": block, "h6": block, "header": block, "main": block,
	"nav": block, "ol": block, "p": block, "pre": block, "section": block,
	"summary": block, "ul": block,

	"li": item, "dd": item, "dt": item,

	"table": table, "tbody": tableBody, "thead": tableBody, "tfoot": tableBody,
	"tr": tableRow, "td": tableCell, "th": tableCell,
	"caption": tableHead, "colgroup": tableHead,

	"br": void, "col": void, "hr": void, "img": void, "wbr": void,
}

// textless holds the elements whose content is not text for a reader. The
// tokenizer hands that content over as one piece, so it can be dropped whole.
var textless = map[string]bool{
	"script": true, "style": true, "title": true, "iframe": true,
	"noembed": true, "noframes": true,
}

// rawText holds the elements whose content is one text up to their end tag
// (WHATWG HTML §13.2.6.2).
var rawText = []string{"iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style",
	"textarea", "title", "xmp"}

// otherwise holds elements that are in no other table and mean something to the
// text form or to the account of what was left out.
var otherwise = []string{"body", "link", "meta", "option"}

// A tag is all that is known of the elements of one name.
type tag struct {
	name     string // "" for a name that is in no table
	role     role
	allowed  bool
	textless bool
	active   bool
	raw      bool
	opening  string // "<p"
	closing  string // "</p>"
}

var tags = func() map[string]*tag {
	tags := map[string]*tag{}
	known := func(name string) *tag {
		if tags[name] == nil {
			tags[name] = &tag{name: name, opening: "<" + name, closing: "</" + name + ">"}
		}
		return tags[name]
	}
	for name, r := range allowed {
		known(name).role, known(name).allowed = r, true
	}
	for name := range textless {
		known(name).textless = true
	}
	for name := range active {
		known(name).active = true
	}
	for _, name := range rawText {
		known(name).raw = true
	}
	for _, name := range otherwise {
		known(name)
	}
	return tags
}()

var unknownTag = &tag{}

// maxKnown bounds the bytes of the names of elements and attributes that are known.
const maxKnown = 16

// smallName gives a name in lower case; false where it is too long to be known.
func smallName(name string, buffer *[maxKnown]byte) ([]byte, bool) {
	if len(name) > maxKnown {
		return nil, false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buffer[i] = c
	}
	return buffer[:len(name)], true
}

// tagOf gives what is known of a tag's name as it stands.
func tagOf(name string) *tag {
	var buffer [maxKnown]byte
	if small, ok := smallName(name, &buffer); ok {
		if t := tags[string(small)]; t != nil {
			return t
		}
	}
	return unknownTag
}

// active holds the elements that could run, ask, load or lead away.
var active = map[string]bool{
	"script": true, "iframe": true, "frame": true, "frameset": true, "object": true,
	"embed": true, "applet": true, "form": true, "input": true, "button": true,
	"select": true, "textarea": true, "keygen": true, "isindex": true, "base": true,
	"svg": true, "math": true, "template": true, "portal": true, "dialog": true,
	"animate": true, "set": true, "handler": true, "listener": true, "foreignobject": true,
	"slot": true, "xml": true, "bgsound": true, "marquee": true,
}

// plain attributes and the elements that may carry them; values are checked in
// attribute.go. Order is the order of writing.
const (
	attrDir = iota
	attrLang
	attrTitle
	attrAlign
	attrVAlign
	attrBGColor
	attrColor
	attrFace
	attrSize
	attrWidth
	attrHeight
	attrBorder
	attrCellPadding
	attrCellSpacing
	attrColSpan
	attrRowSpan
	attrSpan
	attrStart
	attrValue
	attrType
	attrAlt
	attrClass
	attrStyle
	attrID   // read, never written
	attrHref // written by link.go
	attrSrc  // written by image.go
	attrName // read, never written
	attrHidden
	attrAutofocus
	attrSrcdoc
	attrFetched // the first of those that would have fetched something or run it
	attrCount   = attrFetched + len(fetched)

	attrBackground = attrFetched      // the first of fetched
	attrCite       = attrFetched + 10 // "cite" of fetched
)

// fetched names the attributes whose value is an address that some reader goes to.
var fetched = [...]string{"background", "srcset", "poster", "dynsrc", "lowsrc", "longdesc", "data", "xlink:href",
	"action", "formaction", "cite", "codebase", "classid", "archive", "manifest", "profile", "ping"}

var attrNumber = func() map[string]int {
	numbers := map[string]int{
		"dir": attrDir, "lang": attrLang, "title": attrTitle, "align": attrAlign,
		"valign": attrVAlign, "bgcolor": attrBGColor, "color": attrColor, "face": attrFace,
		"size": attrSize, "width": attrWidth, "height": attrHeight, "border": attrBorder,
		"cellpadding": attrCellPadding, "cellspacing": attrCellSpacing,
		"colspan": attrColSpan, "rowspan": attrRowSpan, "span": attrSpan,
		"start": attrStart, "value": attrValue, "type": attrType, "alt": attrAlt,
		"class": attrClass, "style": attrStyle, "id": attrID, "href": attrHref, "src": attrSrc,
		"name": attrName, "hidden": attrHidden,
		"autofocus": attrAutofocus, "srcdoc": attrSrcdoc,
	}
	for i, name := range fetched {
		numbers[name] = attrFetched + i
	}
	return numbers
}()

// numberOf gives the number of an attribute's name as it stands.
func numberOf(name string) (int, bool) {
	var buffer [maxKnown]byte
	small, ok := smallName(name, &buffer)
	if !ok {
		return 0, false
	}
	number, ok := attrNumber[string(small)]
	return number, ok
}

// carries says whether the element may be written with the attribute.
func carries(name string, r role, attr int) bool {
	switch attr {
	case attrDir, attrLang:
		return true
	case attrTitle:
		return name != "a" // a link's tool tip could name another host than the link
	case attrAlign:
		return r != inline && r != item
	case attrVAlign:
		return r >= tableBody && r <= tableCell
	case attrBGColor:
		return r >= table && r <= tableCell
	case attrColor, attrFace:
		return name == "font"
	case attrSize:
		return name == "font"
	case attrWidth:
		return name == "table" || r == tableCell || name == "col" || name == "img" || name == "hr"
	case attrHeight:
		return name == "table" || r == tableCell || r == tableRow || name == "img"
	case attrBorder, attrCellPadding, attrCellSpacing:
		return name == "table"
	case attrColSpan, attrRowSpan:
		return r == tableCell
	case attrSpan:
		return name == "col" || name == "colgroup"
	case attrStart:
		return name == "ol"
	case attrValue:
		return name == "li"
	case attrType:
		return name == "ol" || name == "ul" || name == "li"
	case attrAlt:
		return name == "img"
	}
	return false
}

var attrNames = func() (names [attrCount]string) {
	for name, number := range attrNumber {
		names[number] = name
	}
	return names
}()
