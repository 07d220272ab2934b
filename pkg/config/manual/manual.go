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
	Default string // YAML, "" for a section
	Depth   int
	Name    string
	List    bool // the key begins an element of a list of sections
}

// Keys gives every key of a struct that holds the defaults, in their order.
// Comments are read from the source below root, the folder of the module.
func Keys(root, module string, defaults any) ([]Key, error) {
	w := walker{root: root, module: module, files: map[string]map[string]string{}}
	err := w.structure(reflect.ValueOf(defaults), "", 0)
	return w.keys, err
}

type walker struct {
	root, module string
	files        map[string]map[string]string // package path → Type.Field → comment
	keys         []Key
}

func (w *walker) structure(value reflect.Value, prefix string, depth int) error {
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
			if err := w.structure(value.Field(i), prefix, depth); err != nil {
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
		if err := w.field(value.Field(i), Key{Path: path, Comment: rest, Named: named, Depth: depth, Name: name}); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) field(value reflect.Value, key Key) error {
	kind := value.Type()
	if section(kind) {
		w.keys = append(w.keys, key)
		return w.structure(value, key.Path, key.Depth+1)
	}
	text, err := yaml.Marshal(value.Interface())
	if err != nil {
		return fmt.Errorf("configuration key %s: %w", key.Path, err)
	}
	key.Default = strings.TrimSpace(string(text))
	w.keys = append(w.keys, key)
	// A list or map of sections documents its element.
	if (kind.Kind() == reflect.Slice || kind.Kind() == reflect.Map) && section(kind.Elem()) {
		suffix := "[]"
		if kind.Kind() == reflect.Map {
			suffix = ".<name>"
		}
		return w.structure(reflect.Zero(kind.Elem()), key.Path+suffix, key.Depth+1)
	}
	return nil
}

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
		if key.Depth == 0 {
			fmt.Fprintf(&out, "\n## `%s`\n\n%s Default: %s.\n", key.Path, key.said(key.Path), quoted(key.Default))
			continue
		}
		fmt.Fprintf(&out, "- %s", key.said(key.Path))
		if key.Default != "" && !strings.Contains(key.Default, "\n") && !strings.Contains(key.Path, "[]") && !strings.Contains(key.Path, "<name>") {
			fmt.Fprintf(&out, " Default: %s.", quoted(key.Default))
		}
		out.WriteString("\n")
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
	if strings.Contains(value, "\n") {
		return "see the example file"
	}
	if value == `""` || value == "[]" || value == "{}" {
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
