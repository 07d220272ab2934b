package main

import "context"

func fleetCommand(context.Context, []string, stdio) int    { return failed }
func doctorCommand(context.Context, []string, stdio) int   { return failed }
func rebuildCommand(context.Context, []string, stdio) int  { return failed }
