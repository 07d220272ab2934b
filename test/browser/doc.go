// Package browser opens the desk in a real Chromium: hostile mail runs nothing and reaches
// nothing, and people can work by keyboard, without scripts and on a telephone.
package browser
