// Package manual writes the configuration manual and the example file from the
// structs themselves: the comments are the text, the defaults are the values.
package manual

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Key is one key of the configuration file.
type Key struct {
	Path    string // dotted, lists as name[]
	Comment string // the field's comment, one paragraph; it begins with the field's name where Named
	Named   bool   // then Comment holds what follows the name
	Default string // YAML; "" for a section, and in an element that has none
	Depth   int
	Name    string
	List    bool // the key begins an element of a list of sections
}

// Keys gives every key of a struct that holds the defaults, in their order.
// Comments are read from the source below root, the folder of the module.
func Keys(root, module string, defaults any) ([]Key, error) {
	w := walker{root: root, module: module, files: map[string]map[string]string{}}
	err := w.structure(reflect.ValueOf(defaults), "", 0, everyDefault)
	return w.keys, err
}

type walker struct {
	root, module string
	files        map[string]map[string]string // package path → Type.Field → comment
	keys         []Key
}

// told says which defaults of a structure mean something.
type told int

const (
	everyDefault told = iota
	someDefaults      // an element's: what is empty must be given, or is left out
	noDefaults        // an element's whose type has none
)

func (w *walker) structure(value reflect.Value, prefix string, depth int, told told) error {
	for value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	kind := value.Type()
	comments, err := w.comments(kind.PkgPath())
	if err != nil {
		return err
	}
	for i := range kind.NumField() {
		field := kind.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		if strings.Contains(options, "inline") {
			if err := w.structure(value.Field(i), prefix, depth, told); err != nil {
				return err
			}
			continue
		}
		comment := comments[kind.Name()+"."+field.Name]
		if name == "" || comment == "" {
			return fmt.Errorf("configuration field %s.%s: it needs a yaml name and a comment", kind, field.Name)
		}
		path := strings.TrimPrefix(prefix+"."+name, ".")
		rest, named := strings.CutPrefix(comment, field.Name+" ")
		if err := w.field(value.Field(i), Key{Path: path, Comment: rest, Named: named, Depth: depth, Name: name}, told); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) field(value reflect.Value, key Key, told told) error {
	kind := value.Type()
	if section(kind) {
		w.keys = append(w.keys, key)
		return w.structure(value, key.Path, key.Depth+1, told)
	}
	text, err := written(value.Interface())
	if err != nil {
		return fmt.Errorf("configuration key %s: %w", key.Path, err)
	}
	if told == everyDefault || told == someDefaults && !empty(text) {
		key.Default = text
	}
	w.keys = append(w.keys, key)
	// A list or map of sections documents its element.
	if (kind.Kind() == reflect.Slice || kind.Kind() == reflect.Map) && section(kind.Elem()) {
		suffix := "[]"
		if kind.Kind() == reflect.Map {
			suffix = ".<name>"
		}
		element, told := element(kind.Elem())
		return w.structure(element, key.Path+suffix, key.Depth+1, told)
	}
	return nil
}

// element is what an element of a list says where the file says nothing: its type tells by
// a method Defaults that gives one of the same type.
func element(kind reflect.Type) (reflect.Value, told) {
	zero := reflect.Zero(kind)
	if says := zero.MethodByName("Defaults"); says.IsValid() && says.Type().NumIn() == 0 && says.Type().NumOut() == 1 && says.Type().Out(0) == kind {
		return says.Call(nil)[0], someDefaults
	}
	return zero, noDefaults
}

// written is a value as YAML that is easy to read: a list of words on one line, a list or
// map of sections with one on each.
func written(value any) (string, error) {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return "", err
	}
	plain := true
	for _, child := range node.Content {
		if child.Kind != yaml.ScalarNode && node.Kind == yaml.SequenceNode {
			plain = false
		}
		if child.Kind == yaml.MappingNode {
			child.Style = yaml.FlowStyle
			withoutEmpty(child)
		}
	}
	if node.Kind == yaml.SequenceNode && plain {
		node.Style = yaml.FlowStyle
	}
	text, err := yaml.Marshal(&node)
	return strings.TrimSpace(string(text)), err
}

// withoutEmpty leaves out what an element does not say.
func withoutEmpty(mapping *yaml.Node) {
	var kept []*yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		value := mapping.Content[i+1]
		if value.Kind == yaml.ScalarNode && (value.Value == "" || value.Value == "0") || value.Kind != yaml.ScalarNode && len(value.Content) == 0 {
			continue
		}
		kept = append(kept, mapping.Content[i], value)
	}
	mapping.Content = kept
}

func empty(text string) bool { return text == `""` || text == "[]" || text == "{}" }

func section(kind reflect.Type) bool {
	return kind.Kind() == reflect.Struct && !kind.Implements(reflect.TypeFor[yaml.Marshaler]())
}

// comments reads the field comments of a package of ours.
func (w *walker) comments(pkg string) (map[string]string, error) {
	if known, ok := w.files[pkg]; ok {
		return known, nil
	}
	dir := filepath.Join(w.root, filepath.FromSlash(strings.TrimPrefix(strings.TrimPrefix(pkg, w.module), "/")))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("configuration comments: %w", err)
	}
	found := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("configuration comments: %w", err)
		}
		collect(parsed, found)
	}
	w.files[pkg] = found
	return found, nil
}

func collect(file *ast.File, into map[string]string) {
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			named, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			structure, ok := named.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range structure.Fields.List {
				comment := field.Doc.Text()
				if comment == "" {
					comment = field.Comment.Text()
				}
				for _, name := range field.Names {
					into[named.Name.Name+"."+name.Name] = strings.Join(strings.Fields(comment), " ")
				}
			}
		}
	}
}

// Markdown writes the manual.
func Markdown(keys []Key) string {
	var out strings.Builder
	out.WriteString("# Configuration\n\nOne YAML file for all services; a service reads its own section and what it shares. An unknown key is an\n" +
		"error that names its line. Durations are written `250ms`, `30s`, `72h`, `30d`; sizes `64KiB`, `25MiB`; secrets are\npaths of files that others cannot read. " +
		"This page is made from the source by `make generate`.\n")
	for _, key := range keys {
		if key.Depth == 0 && key.Default == "" {
			fmt.Fprintf(&out, "\n## `%s`\n\n%s\n\n", key.Path, key.said(key.Path))
			continue
		}
		indent := "  "
		if key.Depth == 0 {
			fmt.Fprintf(&out, "\n## `%s`\n\n%s", key.Path, key.said(key.Path))
			indent = ""
		} else {
			fmt.Fprintf(&out, "- %s", key.said(key.Path))
		}
		switch {
		case key.Default == "":
			out.WriteString("\n")
		case strings.Contains(key.Default, "\n"):
			out.WriteString(" Default:\n\n" + indented("```yaml\n"+key.Default+"\n```", indent) + "\n")
		default:
			fmt.Fprintf(&out, " Default: %s.\n", quoted(key.Default))
		}
	}
	return out.String()
}

// said is the comment as a sentence about the key.
func (k Key) said(as string) string {
	if k.Named {
		return "`" + as + "` " + k.Comment
	}
	return "`" + as + "`: " + k.Comment
}

func quoted(value string) string {
	if empty(value) {
		return "none"
	}
	return "`" + value + "`"
}

// Example writes a file that says what the defaults say, with every comment.
func Example(keys []Key) string {
	var out strings.Builder
	out.WriteString("# Postern's configuration with every key at its default. Made from the source by `make generate`.\n")
	for _, key := range keys {
		if strings.Contains(key.Path, "[]") || strings.Contains(key.Path, "<name>") {
			continue
		}
		indent := strings.Repeat("  ", key.Depth)
		if key.Depth == 0 {
			out.WriteString("\n")
		}
		comment := key.Comment
		if key.Named {
			comment = key.Name + " " + comment
		}
		fmt.Fprintf(&out, "%s# %s\n%s%s:", indent, comment, indent, key.Name)
		switch {
		case key.Default == "":
			out.WriteString("\n")
		case strings.Contains(key.Default, "\n") || strings.HasPrefix(key.Default, "- "):
			out.WriteString("\n" + indented(key.Default, indent+"  "))
		default:
			out.WriteString(" " + key.Default + "\n")
		}
	}
	return out.String()
}

func indented(text, by string) string {
	lines := strings.Split(text, "\n")
	return by + strings.Join(lines, "\n"+by) + "\n"
}
