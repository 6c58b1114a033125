// Gitea, the forge that pull requests are tested against: its own command, without the web assets that are made by
// npm, and with PostgreSQL as the only database, so that no C compiler is needed.
package main

import (
	"os"
	"time"

	"code.gitea.io/gitea/cmd"
	"code.gitea.io/gitea/modules/log"
	"code.gitea.io/gitea/modules/setting"
)

// Version is set by the linker.
var Version = "development"

func main() {
	setting.AppVer = Version
	setting.AppStartTime = time.Now().UTC()
	err := cmd.RunMainApp(cmd.NewMainApp(cmd.AppVersion{Version: Version}), os.Args...)
	log.GetManager().Close()
	if err != nil {
		os.Exit(1)
	}
}
