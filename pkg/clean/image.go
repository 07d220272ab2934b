package clean

import "strings"

// image writes an image of our own, or words in its place, and counts what was
// to be fetched.
func (w *walker) image() {
	src := strings.TrimSpace(w.attributes.value(attrSrc))
	s := w.style(w.attributes.value(attrStyle))
	w.countStyle(s)
	scheme, rest, _ := strings.Cut(src, ":")
	scheme = visible(scheme)
	switch {
	case w.images[src]: // cleaned before
		w.writeImage(src, s)
		return
	case scheme == "cid":
		id := contentID(rest)
		if own, ok := w.options.Images[id]; ok {
			w.writeImage(own, s)
			return
		}
		w.imageWords("image " + cutText(oneLine(id), 80))
		return
	case scheme == "data":
		if kind := strings.ToLower(cutText(rest, 20)); strings.HasPrefix(strings.TrimSpace(kind), "image/") && !strings.Contains(kind, "svg") {
			w.result.Removed.Other++
		} else {
			w.result.Removed.Active++
		}
	default:
		w.foreignImage(src, s)
		return
	}
	w.imageWords("")
}

// foreignImage leaves out an image that would have been fetched.
func (w *walker) foreignImage(src string, s style) {
	removed := &w.result.Removed
	if scriptedURL(src) {
		removed.Active++
		w.imageWords("")
		return
	}
	host, remote := remoteHost(src)
	if !remote {
		if src != "" {
			removed.Other++
		}
		w.imageWords("")
		return
	}
	removed.Remote++
	name := trackerName(host)
	if name == "" && (s.tiny || s.hides() || tinyAttribute(w.attributes.value(attrWidth)) || tinyAttribute(w.attributes.value(attrHeight))) {
		name = "pixel"
	}
	if name == "" {
		w.imageWords("")
		return
	}
	removed.Trackers++
	for _, known := range w.result.Trackers {
		if known == name {
			return
		}
	}
	w.result.Trackers = append(w.result.Trackers, name)
}

func tinyAttribute(value string) bool { return onePixel(strings.ToLower(strings.TrimSpace(value))) }

// contentID takes a cid: URL's rest apart (RFC 2392).
func contentID(rest string) string {
	rest = strings.Trim(strings.TrimSpace(rest), "<>")
	if !strings.Contains(rest, "%") {
		return rest
	}
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] == '%' && i+2 < len(rest) {
			high, low := unhex(rest[i+1]), unhex(rest[i+2])
			if high < 16 && low < 16 {
				b.WriteByte(high<<4 | low)
				i += 2
				continue
			}
		}
		b.WriteByte(rest[i])
	}
	return b.String()
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// writeImage writes an image whose source the caller made.
func (w *walker) writeImage(src string, s style) {
	if !safeSource(src) || w.elements >= w.options.MaxElements {
		w.imageWords("")
		return
	}
	w.elements++
	s.lettered, s.grounded = false, false
	w.out.WriteString("<img")
	writeAttribute(&w.out, "src", src)
	if !w.attributes.has(attrAlt) {
		w.attributes.set(attrAlt, "")
	}
	w.plainAttributes(tags["img"])
	s.write(&w.out)
	w.out.WriteByte('>')
}

// safeSource holds the caller to raster images and paths on our own host.
func safeSource(src string) bool {
	for _, kind := range []string{"png", "jpeg", "gif", "webp"} {
		if data, ok := strings.CutPrefix(src, "data:image/"+kind+";base64,"); ok {
			return onlyOf(data, func(c byte) bool {
				return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '='
			})
		}
	}
	return strings.HasPrefix(src, "/") && !strings.HasPrefix(src, "//") && !strings.ContainsAny(src, "\\\t\r\n ")
}

// imageWords writes what an image was said to show, else the words given.
func (w *walker) imageWords(words string) {
	if alt := cutText(oneLine(w.attributes.value(attrAlt)), maxAttribute); alt != "" {
		words = alt
	}
	if words == "" || w.elements >= w.options.MaxElements {
		return
	}
	w.elements++
	words = "[" + words + "]"
	if link := w.innermostLink(); link != nil {
		link.add(words)
	}
	w.out.WriteString(`<span class="` + ClassImage + `">`)
	writeText(&w.out, words)
	w.out.WriteString("</span>")
}
