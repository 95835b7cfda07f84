"""Writes small files in the layouts that the importers read, with numbers known in advance."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy.io
from table_mapping import TABLE_MAPPING

FRAMES = 100
MASS_KG = 40.0
_JOINTS = ("Hip", "Knee", "Ankle")


@dataclass(frozen=True)
class Sources:
    """One folder to write sources into."""

    folder: Path

    def write(self, name: str) -> Path:
        """Write the source of a format by its name and return its path."""
        return getattr(self, name)()

    def c3d(self, who: str = "P1", file: str = "walk01.c3d") -> Path:
        """One file: stance of the right foot from frame 20 to 79, of the left half on a plate."""
        import ezc3d

        body = ezc3d.c3d()
        frame = np.arange(FRAMES)
        points: dict[str, np.ndarray] = {}
        for letter in "LR":
            for i, joint in enumerate(_JOINTS):
                points[f"{letter}{joint}Angles"] = np.stack(
                    [np.full(FRAMES, 10.0 * (i + 1)), np.full(FRAMES, 5.0), np.full(FRAMES, -5.0)]
                )
                points[f"{letter}{joint}Moment"] = np.stack(
                    [np.full(FRAMES, 1000.0 * (i + 1)), np.full(FRAMES, 500.0), np.zeros(FRAMES)]
                )
        right = (frame >= 20) & (frame < 80)
        left = (frame >= 40) & (frame < 80)  # its strike is at 20: force begins 20 frames late
        for letter, on in (("L", left), ("R", right)):
            force = np.full((3, FRAMES), np.nan)
            force[:, on] = np.array([[2.0], [1.0], [9.0]])
            points[f"{letter}GroundReactionForce"] = force
        # The person walks along the laboratory's y.
        points["LASI"] = np.stack(
            [np.full(FRAMES, -100.0), 10.0 * frame + 100.0, 0 * frame + 900.0]
        )
        points["RASI"] = np.stack([np.full(FRAMES, 100.0), 10.0 * frame + 100.0, 0 * frame + 900.0])
        points["SACR"] = np.stack([np.zeros(FRAMES), 10.0 * frame, 0 * frame + 900.0])
        group = body["parameters"]
        group["POINT"]["LABELS"]["value"] = list(points)
        group["POINT"]["UNITS"]["value"] = ["mm"]
        group["POINT"]["RATE"]["value"] = [100]
        body.add_parameter("POINT", "ANGLES", [n for n in points if n.endswith("Angles")])
        body.add_parameter("POINT", "MOMENTS", [n for n in points if n.endswith("Moment")])
        body.add_parameter("POINT", "FORCES", [n for n in points if n.endswith("Force")])
        body["data"]["points"] = np.concatenate(
            [np.stack(list(points.values()), axis=1), np.ones((1, len(points), FRAMES))]
        )
        rng = np.random.default_rng(0)
        group["ANALOG"]["LABELS"]["value"] = ["Voltage.R Rect", "Voltage.L Tib Ant", "Force.Fx1"]
        group["ANALOG"]["UNITS"]["value"] = ["V", "V", "N"]
        group["ANALOG"]["RATE"]["value"] = [1000]
        body["data"]["analogs"] = rng.normal(0.0, 1e-3, (1, 3, 10 * FRAMES))
        body.add_parameter("PROCESSING", "Bodymass", [MASS_KG])
        body.add_parameter("PROCESSING", "Height", [1500.0])
        body.add_parameter("PROCESSING", "RFemurLength", [360.0])
        body.add_parameter("SUBJECTS", "IS_STATIC", [0])
        strikes = [("Left", "Foot Strike", 0.20), ("Left", "Foot Off", 0.79)]
        strikes += [("Right", "Foot Strike", 0.20), ("Right", "Foot Off", 0.82)]
        body.add_parameter("EVENT", "USED", [len(strikes)])
        body.add_parameter("EVENT", "CONTEXTS", [s[0] for s in strikes])
        body.add_parameter("EVENT", "LABELS", [s[1] for s in strikes])
        body.add_parameter("EVENT", "TIMES", np.array([[0.0] * 4, [s[2] for s in strikes]]))
        path = self.folder / who / file
        path.parent.mkdir(exist_ok=True, parents=True)
        body.write(str(path))
        return self.folder

    def edf(self) -> Path:
        """One file of this project and one of another program, of two people."""
        import edfio

        from kinefed.datasets import Recording, RecordingRef, Stream, Subject
        from kinefed.datasets.edf import write_edf

        n = 5 * FRAMES
        stream = Stream(
            "imu",
            100.0,
            0.0,
            ("force.load_cell", "emg.soleus.r"),
            ("N", "V"),
            np.column_stack([np.linspace(0.0, 9.81, n), np.linspace(-1e-3, 1e-3, n)]),
        )
        ref = RecordingRef("P1", "home", "push", 2)
        (self.folder / "P2").mkdir()
        write_edf(self.folder / "own.edf", Recording(ref, {"imu": stream}), Subject("P1"))
        rng = np.random.default_rng(0)
        signal = edfio.BdfSignal(
            rng.normal(0.0, 100.0, 2000), 1000.0, label="R_VL", physical_dimension="uV"
        )
        edfio.Bdf([signal]).write(self.folder / "P2/walk1.bdf")
        return self.folder

    def mcgill(self) -> Path:
        """The published folders of one child."""
        self.c3d("P1/Straight", "P1A01.c3d")
        self.c3d("P1/Turn", "P1A02.c3d")
        return self.folder

    def opencap(self) -> Path:
        """One trial of a person of 50 kg."""
        folder = self.folder / "derived_id"
        folder.mkdir()
        n = 60
        columns: dict[str, np.ndarray] = {"time_s": np.arange(n) / 100.0}
        for side in "rl":
            columns |= {
                f"hip_flexion_{side}_deg": np.full(n, 30.0),
                f"knee_angle_{side}_deg": np.full(n, 60.0),
                f"ankle_angle_{side}_deg": np.full(n, -20.0),
                f"hip_flexion_{side}_moment_Nm": np.full(n, -50.0),
                f"hip_adduction_{side}_moment_Nm": np.full(n, -25.0),
                f"knee_angle_{side}_moment_Nm": np.full(n, -100.0),
                f"ankle_angle_{side}_moment_Nm": np.full(n, -75.0),
                f"simimu_tibia_{side}_acc_y": np.full(n, 9.8),
            }
            columns |= {
                f"ground_force_{side}_v{axis}": np.full(n, value)
                for axis, value in (("x", 10.0), ("y", 500.0), ("z", -20.0))
            }
        for side in "rl":
            columns |= {f"simimu_tibia_{side}_acc_{a}": np.zeros(n) for a in "xz"}
        columns["id_valid"] = (np.arange(n) >= 10).astype(float)
        self._csv(folder / "S4__squats1.csv.gz", columns)
        (folder / "INDEX.csv").write_text(
            f"subject,trial,frames,rate_hz,frac_valid,mass_kg\nS4,squats1,{n},100,0.8,50.0\n"
        )
        return self.folder

    def perturbed_ankle(self) -> Path:
        """Forty seconds whose mean vertical force is 350 N: a mass of 71.4 kg."""
        n = 4000
        t = np.arange(n) / 100.0
        swing = np.sin(2 * np.pi * t)
        self._csv(
            self.folder / "data_ankle.csv.gz",
            {
                "time_s": t,
                "vgrf_N": 350.0 + 350.0 * swing,
                "trunk_angle_rad": 0.0 * t,
                "hip_angle_rad": 0.3 * swing,
                "knee_angle_rad": 0.3 + 0.3 * swing,
                "ankle_angle_rad": -np.pi / 2 + 0.2 * swing,
                "ankle_moment_Nm": 60.0 + 60.0 * swing,
            },
        )
        return self.folder

    def elderly_isometric(self) -> Path:
        """Participants 1 and 2, who are one person; one pulls, one does not."""
        rng = np.random.default_rng(0)
        for number, kgf in ((1, 10.0), (2, 1.0)):
            force = np.full((4000, 4), kgf, dtype=np.float32)
            force[3000:, 0] = np.nan
            emg = {
                name: rng.normal(0.0, 50.0, (4000 if name != "EMG_VL" else 3000, 4))
                for name in ("EMG_VL", "EMG_BF", "EMB_TA" if number == 2 else "EMG_TA", "EMG_LG")
            }
            np.savez(
                self.folder / f"ID{number:02d}.npz",
                DNM=force,
                **{name: value.astype(np.float32) for name, value in emg.items()},
            )
        return self.folder

    def cmu(self) -> Path:
        """One file of three seconds."""
        n = 300
        names = [
            f"{body}_imu_offset_imu"
            for body in [
                "torso",
                "pelvis",
                "tibia_r",
                "femur_r",
                "tibia_l",
                "femur_l",
                "toes_r",
                "toes_l",
            ]
        ]
        columns = ["time", "lFx", "lFy", "lFz", "lCOPx", "lCOPy", "lCOPz"]
        columns += ["rFx", "rFy", "rFz", "rCOPx", "rCOPy", "rCOPz"]
        columns += ["lMx", "lMy", "lMz", "rMx", "rMy", "rMz"]
        t = np.arange(n) / 100.0
        acc = np.tile(np.arange(24, dtype=np.float32) + 4.0, (n, 1))
        grf = np.tile(np.arange(19, dtype=np.float32), (n, 1))
        grf[:, 0] = t
        np.savez(
            self.folder / "Sub01_EMGBaseline.npz",
            imu_names=np.array(names),
            grf_cols=np.array(columns),
            acc=acc,
            gyr=acc / 10.0,
            t_imu=t.astype(np.float32),
            grf=grf,
            rate_imu=100.0,
        )
        return self.folder

    def kuleuven(self) -> Path:
        """Two strides of one second: 60 degrees of knee flexion, 50 N m of knee extension."""
        names = ["hip_flexion", "hip_adduction", "knee_angle", "ankle_angle"]
        cycle = np.arange(100) / 100.0
        wave = np.sin(2 * np.pi * cycle)
        slope = 2 * np.pi * np.cos(2 * np.pi * cycle)
        angles = np.stack([20 * wave, 5 * wave, -30 + 30 * wave, 10 * wave], axis=1)
        speeds = np.stack([20 * slope, 5 * slope, 30 * slope, 10 * slope], axis=1)
        moments = np.tile([-40.0, -30.0, 50.0, -90.0], (100, 1))
        forces = np.tile([5.0, 100.0, -2.0], (100, 1))
        emg = np.stack([0.1 + 0.1 * cycle, np.full(100, np.nan)], axis=1)

        def part(values: np.ndarray, heads: list[str]) -> SimpleNamespace:
            return SimpleNamespace(
                all=np.stack([values, values], axis=2), colheaders=np.array(heads, dtype=object)
            )

        def struct(node: object) -> object:
            if isinstance(node, SimpleNamespace):
                return {key: struct(value) for key, value in vars(node).items()}
            return node

        one = SimpleNamespace
        body = one(
            Q=one(subject1=one(Qs=part(angles, names), Qdots=part(speeds, names))),
            Torques=one(subject1=part(moments, names)),
            GRFs=one(subject1=part(forces, ["Fore-aft", "Vertical", "Lateral"])),
            EMG=one(subject1=part(emg, ["Soleus", "Hamstrings-lateralis"])),
        )
        scipy.io.savemat(self.folder / "ExperimentalData.mat", {"ExperimentalData": struct(body)})
        return self.folder

    def opensim(self) -> Path:
        """One person of 50 kg, one squat; no residual until the last tenth of a second."""
        folder = self.folder / "P1"
        folder.mkdir()
        (folder / "subject.toml").write_text("mass_kg = 50.0\nheight_m = 1.8\n")
        n = 50
        t = np.arange(n) / 100.0
        self._storage(
            folder / "squat1_ik.mot",
            {"time": t, "knee_angle_r": np.full(n, 90.0), "ankle_angle_r": np.full(n, 20.0)},
            degrees=True,
        )
        residual = np.where(t < 0.395, 0.0, 400.0)
        self._storage(
            folder / "squat1_id.sto",
            {
                "time": t,
                "pelvis_tx_force": 0.0 * t,
                "pelvis_ty_force": residual,
                "pelvis_tz_force": 0.0 * t,
                "knee_angle_r_moment": np.full(n, -100.0),
                "hip_rotation_r_moment": np.full(n, 5.0),
            },
        )
        self._storage(
            folder / "squat1_grf.mot",
            {"time": t, "ground_force_r_vy": np.full(n, 250.0)}
            | {f"ground_force_r_v{a}": 0.0 * t for a in "xz"},
        )
        return self.folder

    def table(self) -> Path:
        """One table in degrees, N m and microvolts, with a knee that counts extension."""
        n = 2000
        t = np.arange(n) / 1000.0
        self._csv(
            self.folder / "walk.csv",
            {"t": t, "KneeR": np.full(n, -60.0), "Mknee": np.full(n, 35.0), "VL": 50 * np.sin(t)},
        )
        (self.folder / "mapping.toml").write_text(TABLE_MAPPING)
        return self.folder

    def _csv(self, path: Path, columns: dict[str, np.ndarray]) -> None:
        rows = [",".join(columns)]
        table = np.column_stack(list(columns.values()))
        rows += [",".join(f"{value:.9g}" for value in row) for row in table]
        text = "\n".join(rows) + "\n"
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)

    def _storage(self, path: Path, columns: dict[str, np.ndarray], degrees: bool = False) -> None:
        table = np.column_stack(list(columns.values()))
        head = [
            path.stem,
            f"nRows={len(table)}",
            f"nColumns={len(columns)}",
            f"inDegrees={'yes' if degrees else 'no'}",
            "endheader",
            "\t".join(columns),
        ]
        rows = ["\t".join(f"{value:.9g}" for value in row) for row in table]
        path.write_text("\n".join(head + rows) + "\n")
