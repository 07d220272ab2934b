package clean

import (
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// oracle parses cleaned HTML into a tree, as a browser would, and names
// everything in it that must not be there. It shares no table with the code
// under test: what is allowed is written down here a second time.
func oracle(cleaned string) []string {
	var found []string
	root, err := html.ParseWithOptions(strings.NewReader("<!DOCTYPE html><html><body>"+cleaned+"</body></html>"), html.ParseOptionEnableScripting(true))
	if err != nil {
		return []string{"does not parse: " + err.Error()}
	}
	stack := []*html.Node{root}
	for len(stack) > 0 {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for child := node.FirstChild; child != nil; child = child.NextSibling {
			stack = append(stack, child)
		}
		switch node.Type {
		case html.CommentNode:
			found = append(found, "comment")
		case html.ElementNode:
			found = append(found, oracleElement(node)...)
		}
	}
	return found
}

var oracleElements = words(`html head body a abbr acronym b bdi big cite code del dfn em font i ins
	kbd mark q rp rt ruby s samp small span strike strong sub sup tt u var address article aside
	blockquote center details div dl figcaption figure footer h1 h2 h3 h4 h5 h6 header main nav ol p
	pre section summary ul li dd dt table tbody thead tfoot tr td th caption colgroup br col hr img wbr`)

var oracleAttributes = words(`dir lang title align valign bgcolor color face size width height border
	cellpadding cellspacing colspan rowspan span start value type alt class style href src rel target open`)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(text) {
		set[word] = true
	}
	return set
}

func oracleElement(node *html.Node) (found []string) {
	if node.Namespace != "" {
		found = append(found, "foreign "+node.Data)
	}
	if !oracleElements[node.Data] {
		found = append(found, "element "+node.Data)
	}
	for _, attribute := range node.Attr {
		name := attribute.Key
		if !oracleAttributes[name] || attribute.Namespace != "" {
			found = append(found, "attribute "+name)
		}
		switch name {
		case "href":
			if u, err := url.Parse(attribute.Val); err != nil ||
				u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" || node.Data != "a" {
				found = append(found, "href "+attribute.Val)
			}
		case "src":
			if !strings.HasPrefix(attribute.Val, "data:image/png;base64,") || node.Data != "img" {
				found = append(found, "src "+attribute.Val)
			}
		case "style":
			lower := "; " + strings.ToLower(attribute.Val)
			for _, bad := range []string{"url", "\\", "expression", "import", "position", "script", "behavior",
				"binding", "/*", "@", "{", "}", "<", ">", "content", "visibility", "opacity", "z-index",
				"filter", "animation", "var(", "; transform", "; top", "; -", ": -"} {
				if strings.Contains(lower, bad) {
					found = append(found, "style "+attribute.Val)
				}
			}
		case "class":
			if !strings.HasPrefix(attribute.Val, "postern-") {
				found = append(found, "class "+attribute.Val)
			}
		}
	}
	return found
}

// verify cleans and fails where the result is not safe or not stable.
func verify(input string, options Options) (Result, error) {
	result := HTML(input, options)
	if found := oracle(result.HTML); len(found) > 0 {
		return result, fmt.Errorf("unsafe: %q in %q", found, result.HTML)
	}
	again := HTML(result.HTML, options)
	if again.HTML != result.HTML {
		return result, fmt.Errorf("unstable:\n%q\n%q", result.HTML, again.HTML)
	}
	if again.Removed != (Removed{}) {
		return result, fmt.Errorf("clean output still counted %+v: %q", again.Removed, result.HTML)
	}
	return result, nil
}
