package sanitize

// SnippetRunes and Snippet are for tests from outside.
const SnippetRunes = snippetRunes

func Snippet(text string) string { return snippet(text) }
